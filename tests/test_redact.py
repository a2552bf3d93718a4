import base64

import pytest
from pydantic import SecretStr

from opslib.errors import OpslibError
from opslib.redact import HIDDEN, redact, redact_json, remember, remember_basic

CANARY = "cAnArY/secret+with=signs-0123456789"


@pytest.fixture(autouse=True)
def _announce() -> None:
    remember(SecretStr(CANARY))


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"before {CANARY} after",
        "https://x/?s=cAnArY%2Fsecret%2Bwith%3Dsigns-0123456789",
        "Authorization: Bearer abcdefgh12345678",
        "Basic dXNlcjpwYXNzd29yZA==",
    ],
)
def test_secret_forms_are_hidden(text: str) -> None:
    """Neither the value, nor its URL form, nor a credential header survives."""
    shown = redact(text)
    assert HIDDEN in shown
    assert CANARY not in shown
    assert "abcdefgh12345678" not in shown
    assert "dXNlcjpwYXNzd29yZA" not in shown


def test_basic_header_value_is_hidden() -> None:
    """The header that Basic makes of id and secret is as secret as the secret."""
    remember_basic("someone", SecretStr(CANARY))
    assert redact("x " + base64.b64encode(f"someone:{CANARY}".encode()).decode()) == f"x {HIDDEN}"


def test_json_keys_and_values() -> None:
    """A value is hidden for its key or for itself; the name of a variable that holds a secret is not."""
    value = {
        "configuration": {"secretAccessKey": "anything", "accessKeyId": "AKIAEXAMPLE"},
        "list": [CANARY, 1, None, True],
        "secret_access_key_env": "AWS_SECRET_ACCESS_KEY",
    }
    assert redact_json(value) == {
        "configuration": {"secretAccessKey": HIDDEN, "accessKeyId": "AKIAEXAMPLE"},
        "list": [HIDDEN, 1, None, True],
        "secret_access_key_env": "AWS_SECRET_ACCESS_KEY",
    }


def test_short_values_do_not_blank_out_words() -> None:
    """A very short secret is not remembered: it would hide ordinary text."""
    remember("the")
    assert redact("the bucket") == "the bucket"


def test_errors_are_redacted_when_made() -> None:
    """No error text, repr or argument holds a secret."""
    error = OpslibError(f"a {CANARY}", cause=CANARY, fix=CANARY)
    assert CANARY not in f"{error} {error!r} {error.args} {error.as_json()} {vars(error)}"
