"""Launch a local Genesys and S3, and lessons on it; `server` is that world itself. Importing this loads neither."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["launch", "lessons"])
