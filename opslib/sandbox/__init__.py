"""Start a local Genesys and S3 (`launch`), and practise on it (`lessons`, `example_fleet`); `server` is the sandbox's
own process.

Importing this package loads none of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["example_fleet", "launch", "lessons"])
