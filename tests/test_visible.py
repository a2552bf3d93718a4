import ast
import json
import re
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opslib.errors import OpslibError
from opslib.html import code, table, text
from opslib.onboarding.file import as_yaml, parse_onboarding
from opslib.onboarding.models import Onboarding
from opslib.redact import remember
from opslib.visible import visible, visible_json, visible_line, visible_text

from .hostile import ACTS, acting

CLI = Path(__file__).parents[1] / "opslib" / "cli"


@pytest.mark.parametrize("character", ACTS, ids=lambda one: f"U+{ord(one):04X}")
def test_what_acts_is_shown_as_its_code_point(character: str) -> None:
    """Escape sequences, C1, bidi marks, zero-width, separators, blanks, lone surrogates; in each way of showing."""
    hostile, point = f"a{character}b", f"U+{ord(character):04X}"
    for shown in (visible(hostile), visible_line(hostile), visible_text(hostile)):
        assert shown == f"a{point}b"
    error = OpslibError(hostile, cause=hostile, fix=hostile, correlation_id=hostile)
    assert str(error).count(f"a{point}b") == 4
    assert text(hostile) == code(hostile).plain == f"a{point}b"
    shown_table = table(hostile, ("h",), [[hostile]])
    assert acting((shown_table.html + shown_table.plain).replace("\n", "")) == ""
    assert json.loads(visible_json([hostile])) == [hostile]
    assert acting(visible_json([hostile])) == ""


@given(st.text(st.characters(), max_size=40))
def test_nothing_that_acts_is_left(value: str) -> None:
    """Of any text: a line has no line break, and JSON reads back to the same text."""
    for shown in (visible(value), visible_line(value), visible_json(value)):
        assert all(unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for one in shown)
    assert json.loads(visible_json({"x": value}, ascii_only=True, indent=2)) == {"x": value}


def test_plain_text_stays_as_it_is() -> None:
    """Other scripts, accents, emoji and our own signs are read as they were written; only lines differ."""
    plain = "Grüße – 中文 مرحبا שלום 😀 → ✔ “x” a\u00a0b"
    assert visible(plain) == visible_line(plain) == visible_text(plain) == plain
    assert visible(" a \r\n\t b ") == "a b"
    assert visible_line("  a\nb") == "  aU+000Ab"
    assert visible_text("a\r\n\tb\n") == "a\n\tb\n"
    assert visible_text("a\rb") == "aU+000Db"


def test_a_secret_is_hidden_before_it_is_made_visible() -> None:
    """Also one with a line break in it."""
    remember("visible-canary\n\x1b7")
    for show in (visible, visible_line, visible_text, visible_json):
        assert "canary" not in show("x visible-canary\n\x1b7 y")


def test_only_one_file_of_the_command_line_prints() -> None:
    """`click.echo`, `print` and stdout stand in output.py alone, so nothing is printed as it came."""
    printing = {
        file.name
        for file in CLI.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if re.fullmatch(
            r"click\.(echo|secho)|print|sys\.std(out|err).*", ast.unparse(getattr(node, "func", ast.Pass()))
        )
    }
    assert printing == {"output.py"}


def test_an_exported_onboarding_acts_on_no_terminal() -> None:
    """YAML's own escapes, which read back to the same name; a name without such characters stays readable."""
    values = yaml.safe_load((CLI.parent / "onboarding" / "example_files" / "storage-targets.yaml").read_text())
    values |= {"target": values["target"] | {"bucket": "b-1", "id": "t"}, "policy": values["policy"] | {"id": "p"}}
    values["webhook"] |= {"id": "w", "url": "https://lake.example.com/in"}
    named = [one for one in ACTS if ord(one) > 0x7F and not 0xD800 <= ord(one) < 0xE000]
    for name in (f"Prod{''.join(named)}Archive", "Zürich 中文"):
        values["target"]["name"] = name
        written = as_yaml(Onboarding.model_validate(values))
        assert acting(written.replace("\n", "")) == ""
        assert parse_onboarding(written, "x").target.name == name
    assert "Zürich 中文" in written
