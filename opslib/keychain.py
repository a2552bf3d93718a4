"""Secrets from the system's keyring, where the optional package `keyring` is installed.

    keyring set opslib NAME        # NAME: the OAuth client's id, or the AWS access key id

A keyring that is missing, locked or broken counts as one without the secret: the other sources remain.
"""

from pydantic import SecretStr

from opslib.redact import remember

SERVICE = "opslib"


def kept_secret(name: str) -> SecretStr | None:
    """The secret of this name, None when there is none. Imports keyring here: that takes 0.3 s."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found = keyring.get_password(SERVICE, name)
    except KeyringError:
        return None
    if found:
        remember(found)
    return SecretStr(found) if found else None
