"""What a cell shows that is not a card: the same live and stored, and stored it says what it is."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from opslib.audit.drawing import Chart
from opslib.html import Html
from opslib.widgets import Place, Shown

from ..world import Sandbox, environment

RIBBON = "RECORDED EXAMPLE"


@pytest.fixture(autouse=True)
def _settings(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)


def live(shown: Shown) -> str:
    _, body = shown.widget.children
    return str(body.children[0].value)


@pytest.mark.parametrize("value", [Html("<p>It is so</p>", "so"), Chart("It is so", "said")])
def test_what_is_stored_says_that_it_is_a_record(value: Html | Chart) -> None:
    """And of what: of a sandbox, or of an earlier session of an org. Live there is nothing of that."""
    stored = Shown(value)._repr_mimebundle_()["text/html"]
    assert RIBBON in stored
    assert "It is so" in stored
    assert RIBBON not in live(Shown(value))
    assert "It is so" in live(Shown(value))
    of_an_org = Shown(value, local=False)
    assert "RECORD OF AN EARLIER SESSION" in of_an_org._repr_mimebundle_()["text/html"]
    assert [one.widget.children[0].live for one in (of_an_org, Shown(value))] == [True, False]


def test_a_frame_is_a_table_of_its_first_rows() -> None:
    """Each cell names its column; a time is read as one word, and what is not there is a dash."""
    at = datetime(2026, 1, 31, tzinfo=UTC)
    shown = live(Shown(pd.DataFrame({"step": ["a<b", "c"], "at": [at, pd.NaT]})))
    assert "2 rows" in shown
    for words in ("a&lt;b", 'data-label="at"', "2026-01-31T00:00:00.000Z", ">–<"):
        assert words in shown
    many = live(Shown(pd.DataFrame({"number": range(1001)})))
    assert "The first 100 of 1,001 rows" in many
    assert many.count("<tr>") == 101
    assert "0 rows" in live(Shown(pd.DataFrame({"number": []})))


def test_the_place_speaks_of_all_outputs_below_it() -> None:
    shown = Place()._repr_mimebundle_()
    assert RIBBON in shown["text/html"]
    assert "The outputs below are stored, too." in shown["text/html"]
    assert shown["text/plain"] == "Sandbox: Nothing leaves this machine."
