"""opslib: an operations notebook kit for Genesys Cloud call recordings on AWS S3.

The public names are listed in `__init__.pyi` and loaded on first use, so that `import opslib` stays fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
