"""The system's keyring as the last place where a secret is looked for; here with a backend of our own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from opslib.credentials import KEYRING_SERVICE, KeyReference, kept_secret
from opslib.errors import AwsCredentialsInvalid
from opslib.redact import redact
from opslib.settings import Settings

CLIENT, KEY_ID = "keyring-client", "AKIAKEYRING"
SECRETS = {CLIENT: "client-secret-in-the-keyring", KEY_ID: "aws-secret-in-the-keyring"}


class Fake(KeyringBackend):
    """Holds `SECRETS`, unless it is locked; notes what is asked for."""

    priority = -1  # chosen by nobody but this test
    locked = False
    asked: list[str]

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(username)
        if self.locked:
            raise KeyringLocked("no")
        return SECRETS.get(username) if service == KEYRING_SERVICE else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("nothing is written to the keyring")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    for name in (
        "OPSLIB_CLIENT_ID",
        "OPSLIB_CLIENT_SECRET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    before, fake = keyring.get_keyring(), Fake()
    fake.asked = []
    keyring.set_keyring(fake)
    yield fake
    keyring.set_keyring(before)


def client_secret(**values: str) -> str:
    return Settings.load(**values).client_secret.get_secret_value()


def test_the_secret_of_the_client_that_is_named(fake: Fake) -> None:
    """By its id; it is hidden from then on. Another client gets none."""
    assert client_secret(client_id=CLIENT) == SECRETS[CLIENT]
    assert redact(f"x {SECRETS[CLIENT]}") == "x [hidden]"
    assert client_secret(client_id="another") == ""


def test_every_other_source_comes_first(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without a client there is nothing to ask for."""
    Settings.load()
    monkeypatch.setenv("OPSLIB_CLIENT_SECRET", "from-the-environment")
    assert client_secret(client_id=CLIENT) == "from-the-environment"
    assert fake.asked == []


def test_an_aws_secret_under_its_access_key_id(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id stands in the environment or in .env; a secret that stands there too is taken from there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    keys, source = KeyReference().find()
    assert (keys.secret_access_key.get_secret_value(), source) == (SECRETS[KEY_ID], "the keyring")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    Path(".env").write_text(f"AWS_ACCESS_KEY_ID={KEY_ID}\n")
    assert KeyReference().find()[1] == "the keyring"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from-the-environment")
    assert KeyReference().find()[1] == "the environment"


def test_a_keyring_that_is_locked_or_absent_has_no_secret(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variables, and the keyring among the places where we looked."""
    fake.locked = True
    assert client_secret(client_id=CLIENT) == ""
    assert fake.asked == [CLIENT]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    with pytest.raises(AwsCredentialsInvalid, match="neither keyring nor AWS_PROFILE"):
        KeyReference().resolve()
    fake.locked = False
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert kept_secret(CLIENT) is None
