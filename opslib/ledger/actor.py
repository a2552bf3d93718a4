"""Who writes to a ledger. Each process says it once in a run, and every entry of the process names that entry.

The machine vouches for user and host, the signature for the key. What AWS and Genesys call the process is known later,
so each of their answers is an entry too.
"""

import getpass
import os
import platform
from typing import Any, Literal

# The entry that says who the process is, and the field that names it in every other entry.
ACTOR = "actor"
# What AWS or Genesys calls the process.
IDENTITY = "identity"

Voucher = Literal["AWS", "Genesys"]


def machine() -> dict[str, Any]:
    """{user, uid, host}, as the machine says. `uid` is None where the system has no numeric user ids."""
    return {"user": _user(), "uid": os.getuid() if hasattr(os, "getuid") else None, "host": platform.node()}


def identity(vouched_by: Voucher, id: str, name: str = "", *, why: str = "") -> dict[str, Any]:
    """The body of an `IDENTITY` entry. Without an answer `id` is empty, and `why` says why."""
    return {"vouched_by": vouched_by, "id": id, "name": name, "why": why}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # in a container the user may have a number only; Windows has no pwd
        return "UNKNOWN"
