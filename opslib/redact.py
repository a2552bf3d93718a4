"""Keeps secrets out of everything that is written down or shown.

Every secret is announced with `remember()` when it enters the program. `redact()` is then applied to everything that
leaves it: error texts, the ledger, logs, rendered pages.
"""

import base64
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:  # every error loads this module, and `opslib --version` needs no pydantic
    from pydantic import SecretStr

HIDDEN = "[hidden]"

# Shorter values are not hidden: they would also blank out ordinary words.
_SHORTEST_SECRET = 6

# Longest first: one may be part of another. Replaced whole, since other threads read it.
_known: tuple[str, ...] = ()

# Keys whose values are always secret (OAuth, Genesys and AWS spellings).
_SECRET_KEYS = re.compile(
    r"(secret|password|passphrase|authorization|access_?token|refresh_?token|bearer|private_?key)",
    re.IGNORECASE,
)
_REFERENCE_KEYS = re.compile(r"(_env|Env|_ref)$")
_KEYS_WITH_VALUE = re.compile(r"""([\w-]+)["']?\s*:\s*[^\s#]""")
_CREDENTIAL_TEXT = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)

# In this order: an ARN holds an account number, an address may hold an id.
_IDENTITIES = {
    "arn": re.compile(r"arn:[\w-]+:[^\s,;'\"]+", re.IGNORECASE),
    "email": re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),
    "address": re.compile(r"(https?|s3)://[^\s,;'\"]+", re.IGNORECASE),
    "id": re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE),
    "account": re.compile(r"(?<!\d)\d{12}(?!\d)"),
    "key": re.compile(r"\b(AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"),
    "ip": re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"),
}


def remember(secret: "SecretStr | str") -> None:
    """Hide this value, and the forms it takes in URLs, JSON and Basic credentials, from now on."""
    global _known
    value = secret if isinstance(secret, str) else secret.get_secret_value()
    if len(value) >= _SHORTEST_SECRET:
        _known = tuple(sorted({*_known, *_forms(value)}, key=len, reverse=True))


def _forms(value: str) -> Iterator[str]:
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value))
    for as_json in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield from (as_json, as_json.replace("/", r"\/"))  # some servers escape the slash, too


def remember_basic(user: str, secret: "SecretStr") -> None:
    """Hide the header value that HTTP Basic makes of a user name and a secret."""
    remember(secret)
    remember(base64.b64encode(f"{user}:{secret.get_secret_value()}".encode()).decode())


def redact(text: str) -> str:
    """The text without any known secret or bearer credential."""
    for secret in _known:
        text = text.replace(secret, HIDDEN)
    # Most texts hold none, and to look for one is cheaper than to replace it.
    return _CREDENTIAL_TEXT.sub(rf"\1 {HIDDEN}", text) if _CREDENTIAL_TEXT.search(text) else text


def anonymous(text: str) -> str:
    """The text without secrets, and without what tells whose it is: ids, ARNs, account numbers and addresses."""
    text = redact(text)
    for kind, pattern in _IDENTITIES.items():
        text = pattern.sub(f"<{kind}>", text)
    return text


def names_a_secret(text: str) -> bool:
    """Whether a text such as YAML has a value under a secret's key; the name of a variable is not a secret."""
    return any(_is_secret(key) for key in _KEYS_WITH_VALUE.findall(text))


def redact_json(value: Any) -> Any:
    """A JSON value without secrets: known values anywhere, and every value under a secret's key."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(key)): _redact_item(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    return value


def _redact_item(key: str, item: Any) -> Any:
    if isinstance(item, str) and _is_secret(key):
        return HIDDEN
    return redact_json(item)


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return bool(_SECRET_KEYS.search(key)) and not _REFERENCE_KEYS.search(key)
