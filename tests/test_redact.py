import base64
import json
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from opslib.errors import OpslibError
from opslib.redact import HIDDEN, anonymous, names_a_secret, redact, redact_json, remember, remember_basic

CANARY = "cAnArY/secret+with=signs-0123456789"


@pytest.fixture(autouse=True)
def _announce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone: what an earlier test has announced would be hidden without it."""
    monkeypatch.setattr("opslib.redact._known", ())
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


def _slashes_escaped(text: str, *, ensure_ascii: bool = True) -> str:
    """As some servers write JSON."""
    return json.dumps(text, ensure_ascii=ensure_ascii).replace("/", "\\/")


@pytest.mark.parametrize(
    "written",
    [
        quote,
        partial(quote, safe=""),
        quote_plus,
        json.dumps,
        partial(json.dumps, ensure_ascii=False),
        _slashes_escaped,
        partial(_slashes_escaped, ensure_ascii=False),
    ],
)
def test_a_secret_is_hidden_in_each_form_that_it_takes_on_the_way(written: Callable[[str], str]) -> None:
    """In a path, a form or a JSON text, a quote, a slash, a blank or a letter with an accent is written otherwise."""
    secret = 'cAnArY "quoted" back\\and/slash é'
    remember(secret)
    assert redact(written(secret)).strip('"') == HIDDEN


def test_the_longest_secret_is_hidden_first() -> None:
    """Else the shorter one, which it begins with, would leave the rest of it in sight."""
    secrets = [
        "canary-0123",
        "a-canary-0123-that-goes-on",
        "canary-0123-and",
        "canary-0123-and-more",
        "canary-0123-and-more-of-it",
    ]
    for secret in secrets:
        remember(secret)
    assert [redact(secret) for secret in secrets] == [HIDDEN] * len(secrets)


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


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("secret_access_key: abc", True),
        ("a: 1\n  'Password' : abc", True),
        ("secret_access_key_env: AWS_SECRET_ACCESS_KEY", False),
        ("secret_access_key:\n", False),
        ("secret_access_key: # none", False),
        ("name: secret", False),
    ],
)
def test_a_text_that_names_a_secret(text: str, named: bool) -> None:
    """A key with a value; the name of a variable is none."""
    assert names_a_secret(text) is named


def test_short_values_do_not_blank_out_words() -> None:
    """A very short secret is not remembered: it would hide ordinary text."""
    for word in ("the", "short"):
        remember(word)
    assert redact("the short bucket") == "the short bucket"
    remember("shorts")
    assert redact("the shorts") == f"the {HIDDEN}"


def test_errors_are_redacted_when_made() -> None:
    """No error text, repr or argument holds a secret."""
    error = OpslibError(f"a {CANARY}", cause=CANARY, fix=CANARY)
    assert CANARY not in f"{error} {error!r} {error.args} {error.as_json()} {vars(error)}"


@pytest.mark.parametrize(
    "identity",
    [
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "3F2504E04F8911D39A0C0305E82C3301",
        "arn:aws:iam::123456789012:role/path/Recordings",
        "arn:aws-us-gov:s3:::a-bucket/key",
        "123456789012",
        "jane.doe+x@example.co.uk",
        "https://api.example.com/api/v2/x",
        "s3://a-bucket/org/key",
        "10.1.2.3",
    ],
)
def test_what_tells_whose_it_is_can_be_left_out(identity: str) -> None:
    """For what is sent to others; the words around it stay, and so do counts and dates."""
    found = anonymous(f"of 114 types, {identity}; until 2026-11-27T13:02:55Z")
    assert identity not in found
    assert found.startswith("of 114 types, <")
    assert found.endswith("; until 2026-11-27T13:02:55Z")
