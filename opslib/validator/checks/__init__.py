"""The checks, by what they are about. Importing this registers them all, in the order in which they are shown."""

from opslib.validator.checks import access, encryption, retention, operations, writer, trust, permissions  # noqa: F401, I001 (the order)
from opslib.validator.check import CHECKS

__all__ = ["CHECKS"]
