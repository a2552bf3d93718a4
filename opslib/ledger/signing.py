"""The key that signs the ledger, and the check of a signature with its public half.

Keys are Ed25519. Public keys are written `ed25519:` and 64 hexadecimal digits, signatures are 128 of them; each value
has one spelling only, so that a changed character never goes unnoticed.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import InvalidInput, SigningKeyError
from opslib.files import open_regular, read_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PREFIX = "ed25519:"
# Longer files are not Ed25519 keys, and are not read into memory (bytes).
_LONGEST_KEY_FILE = 1000


class Signer:
    """A private key that signs. Made by `load`; the private half never leaves this object.

    `public_key` is text for reviewers; `key_id` is its short name: 16 hexadecimal digits of its SHA-256.
    """

    def __init__(self, private_key: "Ed25519PrivateKey") -> None:
        self._private_key = private_key
        self.public_key = _PREFIX + private_key.public_key().public_bytes_raw().hex()
        self.key_id = key_id(self.public_key)

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """The key in `path` (PKCS #8, PEM); made on first use, with its public half beside it as `*.pub`.

        Raises SigningKeyError when it cannot be read or made, is not an Ed25519 key, or others may read it.
        """
        try:
            if not path.exists():
                _create(path)
            return cls(_read(path))
        except (OSError, ValueError, TypeError) as error:  # TypeError: it wants a passphrase
            raise SigningKeyError(
                f"The signing key {path} cannot be used",
                cause=str(error),
                fix="correct the file, or set OPSLIB_SIGNING_KEY to another one; nothing was written",
            ) from None

    def sign(self, data: bytes) -> str:
        """The signature, as text."""
        return self._private_key.sign(data).hex()


def verify_signature(public_key: str, data: bytes, signature: str) -> bool:
    """Whether the holder of the key signed exactly these bytes; False for what is not a key or a signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key, signed = _bytes(public_key.removeprefix(_PREFIX)), _bytes(signature)
        Ed25519PublicKey.from_public_bytes(key).verify(signed, data)
    # TypeError: bytes, as SQLite's BLOB is read; AttributeError: None, as a damaged page of it may be.
    except (ValueError, TypeError, AttributeError, InvalidSignature):
        return False
    return public_key.startswith(_PREFIX)


def existing_public_key(file: Path) -> str:
    """The public half of the signing key in a file; empty where there is no usable one."""
    try:
        return Signer.load(file).public_key if file.exists() else ""
    except SigningKeyError:
        return ""


def key_id(public_key: str) -> str:
    """The short name of a public key."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:16]


def read_public_key(text: str) -> str:
    """The public key that a user names: the key itself, or a file that holds it. Raises InvalidInput."""
    key = text.strip()
    if not key.startswith(_PREFIX):
        try:
            key = read_regular(Path(text), _LONGEST_KEY_FILE).decode().strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            raise _no_key(text, f"it does not begin with {_PREFIX}, and as a file: {why or error}") from None
    try:
        if not key.startswith(_PREFIX) or len(_bytes(key.removeprefix(_PREFIX))) != 32:
            raise ValueError("a public key is ed25519: and 64 hexadecimal digits")
    except ValueError as error:
        raise _no_key(text, str(error)) from None
    return key


def _no_key(text: str, cause: str) -> InvalidInput:
    fix = "give ed25519:… or the .pub file, as the operator handed it over"
    return InvalidInput(f"{text} is not a public key", cause=cause, fix=fix)


def _bytes(digits: str) -> bytes:
    """Hexadecimal digits in the one spelling that is allowed: `fromhex` also takes capitals and blanks."""
    value = bytes.fromhex(digits)
    if value.hex() != digits:
        raise ValueError("not in lower-case hexadecimal digits")
    return value


def _read(path: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with open_regular(path) as file:
        if os.name == "posix" and (mode := os.fstat(file.fileno()).st_mode & 0o077):
            raise ValueError(f"others than its owner may use it (mode bits {mode:03o}): chmod 600 {path}")
        key = load_pem_private_key(file.read(_LONGEST_KEY_FILE), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("it is no Ed25519 key")
    return key


def _create(path: Path) -> None:
    """Write a new key. Of several processes at once one succeeds, and no reader ever sees half a key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if path.suffix == ".pub":
        raise ValueError("*.pub is where the public half of a new key is written: name the key otherwise")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        return  # another process was first
    finally:
        partial.unlink()
    path.with_suffix(".pub").write_bytes(f"{Signer(key).public_key}\n".encode())
