"""The system's keyring as the last place where a secret is looked for; here with a backend of our own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked
from pydantic import ValidationError

from opslib.credentials import KEYRING_SERVICE, KeyReference, kept_secret, usual_keys
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


REAL = {"AKIA_ID": "AKIAIOSFODNN7EXAMPLE", "TEMPORARY": "ASIAIOSFODNN7EXAMPLE", "OF_MOTO": "AKIARZPUZDIKHCIS2JHT"}
KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOT_IDS = {
    "TOKEN": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "SECRET_KEY": KEY,
    "PASSWORD": "credentials-canary-password",
    "LOWER": "akiaiosfodnn7example",
    "SHORT": "AKIA1234",
    "LINES": "AKIAIOSFODNN7EXAMPLE\nX",
    "LONG": "AKIA" + "A" * 125,
}


@pytest.mark.parametrize("name", REAL)
def test_a_variable_that_a_file_names_may_hold_an_access_key_id(name: str) -> None:
    """Long-lived, temporary, and as moto and the sandbox make them."""
    keys = KeyReference(access_key_id_env=name, secret_access_key_env="OWN_KEY").resolve(REAL | {"OWN_KEY": KEY})
    assert keys.access_key_id == REAL[name]


@pytest.mark.parametrize("name", NOT_IDS)
def test_a_variable_with_anything_else_is_refused_and_not_shown(name: str) -> None:
    """The id goes to Genesys, into the plan and into the ledger; whoever wrote the file must not choose what does."""
    with pytest.raises(AwsCredentialsInvalid, match=f"{name} does not hold an AWS access key id") as caught:
        KeyReference(access_key_id_env=name).resolve(NOT_IDS | {"AWS_SECRET_ACCESS_KEY": KEY})
    assert NOT_IDS[name] not in f"{caught.value}{caught.value.as_json()}"


@pytest.mark.parametrize("name", ["TOKEN", "PASSWORD", "AKIA_ID"])
def test_so_is_a_secret_that_is_no_secret_access_key(name: str) -> None:
    """It would be sent to Genesys as one."""
    environ = NOT_IDS | REAL
    with pytest.raises(AwsCredentialsInvalid, match=f"{name} does not hold an AWS secret access key") as caught:
        KeyReference(access_key_id_env="AKIA_ID", secret_access_key_env=name).resolve(environ)
    assert environ[name] not in str(caught.value)


@pytest.mark.parametrize("name", ["OPSLIB_CLIENT_SECRET", "opslib_client_secret", "OPSLIB_ANYTHING"])
def test_opslibs_own_variables_are_never_named(name: str) -> None:
    """Whatever they hold, in either field."""
    for field in ("access_key_id_env", "secret_access_key_env"):
        with pytest.raises(ValidationError, match="opslib's own"):
            KeyReference.model_validate({field: name})


def test_awss_own_variables_may_hold_a_test_servers_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are named for what they hold; but the id is never as long as a secret, in case the two are swapped."""
    monkeypatch.chdir(tmp_path)
    moto = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    assert KeyReference().resolve(moto).access_key_id == "testing"
    with pytest.raises(AwsCredentialsInvalid, match="AWS_ACCESS_KEY_ID does not hold"):
        KeyReference().resolve({"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": REAL["AKIA_ID"]})
    for variable, value in moto.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    keys = usual_keys()
    assert keys
    assert keys.access_key_id == "testing"
