"""The name of a target's folder: safe on every file system, and the same each time."""

import hashlib
import re

from opslib.audit.runs import Target

_LONGEST = 40


def folder_name(target: Target, name: str) -> str:
    """What the target is called, as far as letters of ASCII, digits and hyphens go, and a hash of what it is: no two
    targets share it, also where capitals do not count.

    >>> folder_name(Target("live", "o-1", "platform", "../../etc"), "../../etc")
    'etc-f3ed53d5fc3bf0b0'
    """
    said = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST].strip("-") or "target"
    is_it = "\0".join(target).encode(errors="surrogatepass")
    return f"{said}-{hashlib.sha256(is_it).hexdigest()[:16]}"
