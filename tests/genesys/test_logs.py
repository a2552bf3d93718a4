import json
from collections.abc import Iterator

import pytest

from opslib.genesys.logs import _logger, _wanted, log
from opslib.genesys.recorder import Operation, Recorder
from opslib.redact import remember


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for cached in (_logger, _wanted):
        cached.cache_clear()
    yield
    for cached in (_logger, _wanted):
        cached.cache_clear()


def test_silent_unless_asked(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's cells stay clean."""
    monkeypatch.delenv("OPSLIB_LOG_LEVEL", raising=False)
    log("warning", "something")
    assert capfd.readouterr() == ("", "")


def test_lines_are_json_without_secrets(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is below the level is left out; secrets are hidden."""
    monkeypatch.setenv("OPSLIB_LOG_LEVEL", "info")
    remember("log-canary-0123456789")
    log("debug", "attempt")
    log("info", "tried log-canary-0123456789", client_secret="anything", nested={"a": ["log-canary-0123456789"]})
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "tried [hidden]"
    assert "canary" not in line
    assert "anything" not in line


def test_failed_operations_are_warnings(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`warning` shows failures only."""
    monkeypatch.setenv("OPSLIB_LOG_LEVEL", "warning")
    recorder = Recorder(lambda kind, data: None)
    recorder.operation(Operation("good", 0.0), None)
    recorder.operation(Operation("bad", 0.0), ValueError())
    (line,) = capfd.readouterr().err.splitlines()
    assert (json.loads(line)["operation"], json.loads(line)["level"]) == ("bad", "warning")
