"""The secret field leaves the value in one SecretStr and nowhere else."""

import gc
import secrets
from typing import Any

import ipywidgets as w
import pytest
from pydantic import SecretStr

from opslib import redact
from opslib.widgets import SecretField

from .conftest import browser_sets, everything


@pytest.fixture
def secret() -> str:
    return secrets.token_urlsafe(24)


def test_nothing_is_left_after_typing(secret: str, sent: list[Any]) -> None:
    """Not in the widgets' state, the object's words, a message to the browser, or what a notebook would save."""
    field = SecretField("Client secret")
    browser_sets(field._input, value=secret)
    assert field.value.get_secret_value() == secret
    states = [one.get_state() for one in everything(field.widget)]
    for shown in (states, sent, field, vars(field), field.widget, w.Widget.get_manager_state()):
        assert secret not in repr(shown)
    assert redact.redact(f"x {secret}") == "x [hidden]"


def test_the_browser_is_told_to_empty_its_input(secret: str, sent: list[Any]) -> None:
    """Its own copy goes too; an ordinary password input is echoed in clear, ours is not."""
    field = SecretField("Client secret")
    browser_sets(field._input, value=secret)
    updates = [kwargs["data"] for _, kwargs in sent if kwargs.get("data", {}).get("method") == "update"]
    assert {"value": ""} in [update["state"] for update in updates]
    browser_sets(w.Password(), value=secret)
    assert secret in repr(sent)


def test_no_object_of_the_kernel_keeps_it() -> None:
    """No dict, list, tuple or set that the garbage collector knows, but for the two that should."""
    secret = secrets.token_urlsafe(24)
    field = SecretField("Client secret")
    browser_sets(field._input, value=secret)
    holders = [one for one in gc.get_objects() if _holds(one, secret)]
    assert redact._known in holders
    assert {id(one) for one in holders} <= {id(vars(field.value)), id(redact._known)}


def _holds(one: object, secret: str) -> bool:
    values = one.values() if isinstance(one, dict) else one if isinstance(one, list | tuple | set) else ()
    return any(type(value) is str and value == secret for value in list(values))


def test_words_say_whether_and_from_where_never_what(secret: str) -> None:
    """Set, typed, cleared; not even its length."""
    edits: list[str] = []
    field = SecretField("Client secret", lambda: edits.append("edit"))
    field.load(SecretStr(secret), "from .env")
    status = next(one for one in everything(field.widget) if isinstance(one, w.HTML))
    assert "a value is set (from .env)" in status.value
    assert edits == []
    browser_sets(field._input, value=secret + "2")
    assert "a value is set (typed here)" in status.value
    field._clear.click()
    assert "no value is set" in status.value
    assert not field.is_set
    assert edits == ["edit", "edit"]
    assert str(len(secret)) not in repr(field)
