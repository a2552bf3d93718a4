"""A plan is approved elsewhere by a second key, and only an approval of just that plan lets it be applied."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opslib.cli.app import main
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer

from ..world import Api, Sandbox, environment, without_settings, write_onboarding

CHANGING = ("PUT", "POST", "DELETE", "PATCH")
Said = tuple[int, str, str]


class Desk:
    """Somebody's machine, with a workspace and a key of their own; each command in this process."""

    def __init__(self, env: dict[str, str], key: Path, patch: pytest.MonkeyPatch, read: Callable[[], Any]) -> None:
        self.env, self.key, self._patch, self._read = {**env, "OPSLIB_SIGNING_KEY": str(key)}, key, patch, read

    @property
    def public_key(self) -> str:
        return Signer.load(self.key).public_key

    def __call__(self, *words: str | Path, **env: str) -> Said:
        """Exit code, stdout and stderr."""
        with self._patch.context() as patch:
            for name in [*os.environ]:
                patch.delenv(name)
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            try:
                main([*map(str, words)])
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return (code, *self._read())


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    return lambda: tuple(capsys.readouterr())


@pytest.fixture
def file(sandbox: Sandbox, tmp_path: Path) -> Path:
    return write_onboarding(tmp_path / "target.yaml", sandbox)


@pytest.fixture
def engineer(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any) -> Desk:
    monkeypatch.chdir(tmp_path)
    env = without_settings() | environment(sandbox, tmp_path / "home")
    return Desk(env, tmp_path / "keys" / "engineer.pem", monkeypatch, read)


@pytest.fixture
def approver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any) -> Desk:
    """Another machine: a home of its own and nothing else in its environment."""
    env = {"HOME": str(tmp_path / "elsewhere"), "PATH": os.environ["PATH"]}
    return Desk(env, tmp_path / "keys" / "approver.pem", monkeypatch, read)


@pytest.fixture
def plan(engineer: Desk, file: Path, api: Api, tmp_path: Path) -> Path:
    """The plan's file; the org is as it was."""
    assert engineer("plan", file, "--out", tmp_path / "plan.json")[0] == 2
    return tmp_path / "plan.json"


def approved(approver: Desk, plan: Path, *words: str) -> Path:
    code, out, err = approver("approve", plan, "--yes", *words)
    assert code == 0, err
    return plan.with_name("plan.approval.json")


def written(sandbox: Sandbox) -> list[str]:
    """The writes to the org since the log was emptied."""
    asked = [one for one in sandbox.requests("genesys") if one["method"] in CHANGING]
    return [f"{one['method']} {one['path']}" for one in asked if not one["path"].endswith("/oauth/token")]


def test_x(engineer: Desk, approver: Desk, plan: Path, file: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    approval = approved(approver, plan)
    print(plan.read_text()[:3000])
    print(approval.read_text())
    code, out, err = engineer("apply", file, "--yes", "--approval", approval, OPSLIB_APPROVERS=approver.public_key)
    print(code, out, err)
    print(written(sandbox))
    print(engineer("audit", "--out", tmp_path / "audit"))
    for e in Ledger(tmp_path / "home", engineer.key).entries("approval"):
        print(e)
    assert 0
