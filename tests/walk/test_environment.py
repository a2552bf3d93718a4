import importlib.metadata
from pathlib import Path

import pytest

from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger
from opslib.walk.environment import _wrong_packages, check_environment, environment_table

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "env-check-canary-aws"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("API_URL", "LOGIN_URL", "REGION", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"OPSLIB_{name}", raising=False)
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path / "home"))


def _words() -> dict[str, str]:
    return {row.question: row.word for row in check_environment({})}


def test_a_fresh_machine_is_ready_for_the_sandbox(tmp_path: Path) -> None:
    """Nothing fails; what is missing for a live org is a warning with its fix. To look leaves nothing behind."""
    rows = check_environment({})
    assert [row.word for row in rows] == ["PASS", "PASS", "WARN", "WARN"]
    assert all(row.fix for row in rows if row.word != "PASS")
    assert "OPSLIB_REGION" in environment_table({}).html
    assert list(tmp_path.iterdir()) == []


def test_a_configured_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """With org, client and key all answers are PASS."""
    for name, value in {"REGION": "eu-west-1", "CLIENT_ID": "c", "CLIENT_SECRET": "env-check-canary"}.items():
        monkeypatch.setenv(f"OPSLIB_{name}", value)
    rows = check_environment(KEYS)
    assert {row.word for row in rows} == {"PASS"}
    assert "env-check-canary" not in repr(rows)


@pytest.mark.parametrize("environ", [{"AWS_ACCESS_KEY_ID": "AKIA"}, {"AWS_PROFILE": "none-such"}])
def test_half_a_key_is_none(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An id without its secret, and a profile that does not exist: said with what is missing."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    row = check_environment(environ)[-1]
    assert row.word == "WARN"
    assert ("AWS_SECRET_ACCESS_KEY" if "AWS_ACCESS_KEY_ID" in environ else "none-such") in row.found
    assert row.fix


def test_a_key_in_dotenv_counts(tmp_path: Path) -> None:
    """It is what a walk takes, too; where it was found is said, and never what it is."""
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    row = check_environment({})[-1]
    assert (row.word, row.found) == ("PASS", "from .env")


def test_bad_settings_and_an_unwritable_workspace_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cause and fix instead of a traceback; a ledger that is there is opened."""
    Ledger(tmp_path / "home").close()
    assert _words()["The workspace can be written"] == "PASS"
    (tmp_path / "home" / FILE_NAME).write_text("no database")
    assert _words()["The workspace can be written"] == "FAIL"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path / "file" / "below"))
    assert _words()["The workspace can be written"] == "FAIL"
    monkeypatch.setenv("OPSLIB_REGION", "atlantis")
    assert _words()["Settings are valid"] == "FAIL"


def test_missing_and_old_packages_are_named() -> None:
    """Each with what was found and what is needed."""
    version = importlib.metadata.version("httpx")
    wanted = ["no-such-package>=1", "httpx>=999", "httpx", "other; extra == 'test'"]
    assert list(_wrong_packages(wanted)) == ["no-such-package is missing", f"httpx {version} is not >=999"]
