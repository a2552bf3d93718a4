"""An exception that nobody foresaw, on the command line: said as a defect, in one text or one JSON document."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib.cli import onboard
from opslib.cli.app import main
from opslib.walk.walk import Walk

from ..world import Sandbox, environment, without_settings, write_onboarding


@pytest.fixture
def words(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`opslib plan FILE` in this process."""
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return ["plan", str(write_onboarding(tmp_path / "target.yaml", sandbox))]


def ended(words: list[str]) -> Any:
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


@pytest.mark.parametrize(
    "error",
    [KeyError("id"), TypeError("'int' object is not iterable"), RecursionError("deep"), ValueError("\ud800 \x1b[2J"),
     RuntimeError("Symlink loop"), MemoryError(), ZeroDivisionError()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True])
def test_a_defect_says_so(
    words: list[str],
    error: Exception,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What happened, in which run, that it is a defect, and what to do with the text; no traceback, exit code 1."""

    async def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Walk, "run", broken)
    assert ended([*words, *(["--json"] if as_json else [])]) == 1
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if as_json:
        document = json.loads(out)
        assert (document["error"], document["title"]) == ("Defect", "Unexpected error in “opslib plan”")
        assert type(error).__name__ in document["cause"]
        assert "run 20" in document["cause"]
        assert "in broken: raise error" in document["trace"]
        assert "defect of opslib: please report this text" in document["fix"]
    else:
        assert out == ""
        assert f"Cause: {type(error).__name__}" in err
        assert "defect of opslib: please report this text" in err
        assert "in broken: raise error" in err


def test_a_defect_outside_a_run_says_so_too(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before there is a ledger."""
    monkeypatch.setattr(onboard, "load_onboarding", lambda file: {}["version"])
    assert ended([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["cause"] == "KeyError: 'version'"


def _process(*words: str | Path, limit: int | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
    def few_bytes() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "opslib.cli", *map(str, words)]
    environ = without_settings() | env
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=110, preexec_fn=few_bytes)


def test_an_export_on_a_full_disk_is_said(sandbox: Sandbox, tmp_path: Path) -> None:
    """No half file takes the place of an export, and no traceback."""
    env = environment(sandbox, tmp_path / "home")
    assert _process("doctor", "--json", **env).returncode in (0, 1)
    out = tmp_path / "ledger.jsonl"
    done = _process("export-ledger", "--out", out, "--json", limit=512, **env)
    assert done.returncode == 1
    assert json.loads(done.stdout)["fix"].startswith("check the path, its permissions and the free space")
    assert not out.exists()


@pytest.mark.parametrize("proxy", ["ftp://proxy:3128", "http://proxy:port", "socks9://x", "://"])
def test_a_proxy_that_cannot_be_used_is_named(
    words: list[str], proxy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its variable; its URL may hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("https_proxy", raising=False)
    assert ended([*words, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["error"], document["title"]) == ("InvalidInput", "The proxy in HTTPS_PROXY cannot be used")
    assert proxy not in json.dumps(document).replace("http://proxy.example.com", "")
