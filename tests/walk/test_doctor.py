"""What the doctor says of an org, by what the sandbox answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.cli.org import doctor
from opslib.genesys.permissions import AUDITOR, BACKFILL, NEEDED, OPERATOR
from opslib.genesys.server_time import clock_skew_s
from opslib.walk.doctor import Diagnosis
from opslib.walk.walk import Walk

from ..router import platform_org as org
from ..world import Json, Sandbox, environment, without_settings


@pytest.fixture(autouse=True)
def _settings(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPSLIB_BACKEND", "platform")


def diagnosed(capsys: pytest.CaptureFixture[str]) -> tuple[int, Json]:
    code = doctor.callback(as_json=True)
    return code, json.loads(capsys.readouterr().out)


def states(found: Json) -> dict[str, str]:
    return {one["name"]: one["state"] for one in found["permissions"]}


def client_with(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *permissions: str) -> None:
    client = sandbox.control("POST", "/clients", {"scopes": list(permissions)}).json()
    for name in ("client_id", "client_secret"):
        monkeypatch.setenv(f"OPSLIB_{name.upper()}", client[name])


def test_what_the_org_says(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Both APIs, the organisation and client, the real limit, a clock that agrees; and nothing was written."""
    code, found = diagnosed(capsys)
    assert code == 0
    assert found["backends"] == {"platform": True, "storage-targets": True}
    assert found["organization"]["id"] == sandbox["org_id"]
    assert found["client"]["id"] == sandbox["client_id"]
    assert found["rate_limits"]["client.credentials.token.rate.per.minute"] == 300
    assert abs(found["clock_skew_s"]) <= 2
    assert found["roles"] == {"auditor": list(AUDITOR), "operator": list(OPERATOR)}
    assert {request["method"] for request in sandbox.requests("api")} <= {"GET"}


def test_permissions_are_known_by_the_answer_only(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answered: present. Refused: missing, in the org's words. To write: not known, where the org does not tell the
    client its roles. A needed one fails it."""
    sandbox.control("POST", "/faults", {"path_regex": "/subjects/me$", "status": 404})
    client_with(sandbox, monkeypatch, "integrations:integration:view", "audits:audit:view")
    code, found = diagnosed(capsys)
    known = states(found)
    assert code == 1
    assert (known["integrations:integration:view"], known["audits:audit:view"]) == ("present", "present")
    assert known["recording:retentionPolicy:view"] == known["analytics:dataRetention:view"] == "missing"
    assert known["integrations:integration:add"] == known["recording:retentionPolicy:edit"] == "not known"
    words = {row["question"]: (row["word"], row["found"]) for row in found["rows"]}
    word, why = words["May recording:retentionPolicy:view"]
    assert word == "FAIL"
    assert "missing the following permission(s): recording:retentionPolicy:view" in why
    assert words["May analytics:dataRetention:view"][0] == "WARN"


def test_what_only_the_archive_needs_fails_nobody(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that may onboard passes; for each command of the archive one row says what it lacks."""
    told = list(_policies("recording:orphan:view", *NEEDED["platform"]))
    subject = {"id": "me", "grants": [{"role": {"id": "r", "name": "R", "policies": told}}]}
    sandbox.control("POST", "/faults", {"path_regex": "/subjects/me$", "status": 200, "body": subject})
    client_with(sandbox, monkeypatch, "recording:orphan:view", *NEEDED["platform"])
    code, found = diagnosed(capsys)
    assert code == 0
    missing = {row["fix"].split("`")[1]: row["question"] for row in found["rows"] if "archive" in row["fix"]}
    assert missing == {
        "opslib archive verify --expected analytics": "May analytics:conversationDetail:view",
        "opslib archive why": "May recording:job:view, recording:recording:view, recording:uploadReport:view",
        "opslib archive backfill": f"May {', '.join(BACKFILL)}",
    }
    assert {row["word"] for row in found["rows"] if "archive" in row["fix"]} == {"WARN"}


def _policies(*names: str) -> Iterator[Json]:
    for domain, entity, action in (name.split(":") for name in names):
        yield {"domain": domain, "entityName": entity, "actions": [action]}


def test_an_org_that_tells_the_roles_is_believed(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Only then is it known what may be written."""
    policies = [
        {"domain": "recording", "entityName": "retentionPolicy", "actions": ["view", "add"]},
        {"domain": "integrations", "entityName": "*", "actions": ["*"]},
    ]
    subject = {"id": "me", "grants": [{"role": {"id": "r", "name": "R", "policies": policies}}]}
    sandbox.control("POST", "/faults", {"path_regex": "/subjects/me$", "status": 200, "body": subject})
    code, found = diagnosed(capsys)
    known = states(found)
    assert code == 1
    assert known["recording:retentionPolicy:add"] == known["integrations:integration:delete"] == "present"
    assert known["recording:retentionPolicy:edit"] == "missing"


@pytest.mark.parametrize(
    ("served", "backend", "code"), [("platform", "platform", 0), ("platform", "storage-targets", 1)]
)
def test_the_backend_that_is_there_is_named(
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    served: str,
    backend: str,
    code: int,
) -> None:
    """Asked for the other, it says which one to use."""
    monkeypatch.setenv("OPSLIB_BACKEND", backend)
    sandbox.control("PUT", "/settings", {"backend": served})
    got, found = diagnosed(capsys)
    assert got == code
    assert found["backends"] == {"platform": True, "storage-targets": False}
    (serves,) = [row["found"] for row in found["rows"] if row["question"].startswith("The org serves ")]
    assert serves == "it serves the platform API"


@pytest.mark.parametrize(("skew_s", "word"), [(0.4, "PASS"), (-61.0, "WARN"), (901.0, "FAIL"), (None, "UNKNOWN")])
def test_a_clock_that_is_off_is_said(skew_s: float | None, word: str) -> None:
    """AWS refuses signatures that are a quarter of an hour off; a clock that nobody told us of is not known."""
    served: dict[Any, bool | None] = {"platform": True, "storage-targets": False}
    found = Diagnosis("platform", served, "not asked", None, [], {}, skew_s)
    assert [row.word for row in found.rows()][-1] == word


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 12:00:00 GMT"])
def test_a_date_that_is_none_leaves_the_clock_open(date: str) -> None:
    """Such as from a proxy; a good one is read to the second."""
    assert clock_skew_s({"Date": date}) is None
    in_paris = datetime.now(timezone(timedelta(hours=2)))
    for good in (format_datetime(datetime.now(UTC), usegmt=True), format_datetime(in_paris)):
        assert abs((clock_skew_s({"Date": good}) or 9) + 0.5) < 1.5


def test_questions_without_an_answer_stay_open(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """An org that fails is not called missing anything, and the doctor does not fail with it."""
    sandbox.control("POST", "/faults", {"path_regex": "^/api/", "status": 500})
    code, found = diagnosed(capsys)
    assert code == 0
    assert found["backends"] == {"platform": None, "storage-targets": None}
    assert set(states(found).values()) == {"not known"}
    assert found["rate_limits"] is None


async def test_the_connect_step_brings_the_diagnosis(sandbox: Sandbox) -> None:
    """The card shows it; it counts as one operation that succeeded, whatever was refused in it."""
    async with Walk(org.onboarding(sandbox)) as walk:
        result = await walk.run("connect")
    assert result.data["org_id"] == result.data["doctor"]["organization"]["id"] == sandbox["org_id"]
    operations: list[Any] = [entry.data for entry in walk.journal.entries("operation")]
    assert {one["operation"]: one["outcome"] for one in operations}["doctor"] == "success"


def test_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    """A line for each answer and the roles to copy; without an org, a clear error."""
    env = without_settings() | environment(sandbox, tmp_path) | {"OPSLIB_BACKEND": "platform"}
    command = [sys.executable, "-m", "opslib.cli", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "PASS     The org serves the platform API" in done.stdout
    assert "\nrole auditor:\n  recording:retentionPolicy:view\n" in done.stdout
    without = without_settings() | {"OPSLIB_HOME": str(tmp_path)}
    failed = subprocess.run([*command, "--json"], capture_output=True, text=True, env=without, cwd=tmp_path, timeout=60)
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error"] == errors.InvalidInput.__name__
