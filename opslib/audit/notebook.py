"""Notebook 02, which shows the sections of the report one by one: the hash of its source."""

import hashlib
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCE = "02_audit_report.py"


@cache
def source_hash() -> str:
    """SHA-256 of its file, as `sha256sum` gives it."""
    # In an installed package it stands beside this file; in a checkout, in notebooks/.
    packaged = _HERE / _SOURCE
    file = packaged if packaged.exists() else _HERE.parents[1] / "notebooks" / _SOURCE
    return hashlib.sha256(file.read_bytes()).hexdigest()
