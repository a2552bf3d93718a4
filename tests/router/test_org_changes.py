"""Who changed what in the org: by its audit and by comparison, once each, and in the report."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opslib.audit.report import AuditReport
from opslib.genesys.audit_log import change
from opslib.ledger.ledger import Ledger, Run
from opslib.router import org_changes
from opslib.router.journal import INTENT
from opslib.router.org_changes import CHANGE, CHECKED, SNAPSHOT, OrgChanges, differences, find_org_changes
from opslib.router.own_work import OwnWork
from opslib.settings import Settings
from opslib.walk.walk import Walk

from ..world import POLICIES, RETENTION_POLICIES, Api, Json, Sandbox, environment, running, without_settings
from . import org as storage_targets
from . import platform_org as org


@pytest.fixture
def shared() -> Iterator[Sandbox]:
    """A sandbox for each test: an org's audit keeps what was done before."""
    with running("--seed", "7") as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _settings(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("opslib.genesys.audit_log._POLL_S", 0.05)
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})


async def looked(wanted: Any, since: datetime | None = None) -> OrgChanges:
    async with Walk(wanted, command="changes") as walk:
        await walk.run("connect")
        client_id = walk.settings.client_id
        return await find_org_changes(walk.session.client, walk.backend, walk.journal, since, client_id=client_id)


def of(found: OrgChanges, source: str) -> list[tuple[str, str]]:
    return [(one["action"], one["name"]) for one in found.changes if one["source"] == source]


def made_and_gone(api: Api, name: str) -> None:
    """A policy that no comparison shows."""
    made = api("POST", RETENTION_POLICIES, {"name": name}).json()
    assert api("DELETE", made["selfUri"]).is_success


@pytest.mark.slow
async def test_a_change_of_somebody_else_is_seen_twice_over(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """By the audit with its author and old and new values, by the comparison field by field; the second look adds
    nothing, and the report names both, with us under our own name."""
    wanted = org.onboarding(sandbox)
    async with Walk(wanted) as walk:
        await walk.run_all()
    first = await looked(wanted)
    assert ("Create", "P") in [(one["action"], one["name"]) for one in first.own]
    assert of(first, "audit") == []
    assert of(first, "comparison") == []
    other = sandbox.api(sandbox.control("POST", "/clients", {"scopes": ["recording:retentionPolicy:edit"]}).json())
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    assert other("PATCH", policy["selfUri"], {"enabled": False}).is_success
    second = await looked(wanted)
    assert of(second, "comparison") == [("Update", "P")]
    (audited,) = [one for one in second.changes if one["source"] == "audit"]
    assert audited["client_id"] not in (None, sandbox["client_id"])
    assert {"path": "enabled", "before": ["true"], "after": ["false"]} in audited["fields"]
    (compared,) = [one for one in second.changes if one["source"] == "comparison"]
    assert compared["fields"] == [{"path": "enabled", "before": True, "after": False}]
    assert (await looked(wanted)).changes == []
    shown = AuditReport.open(home=tmp_path / "home").show("still_so").plain
    for words in (audited["by"], "this kit's OAuth client", "Update Policy P", "comparison", "3 readings"):
        assert words in shown


async def test_a_write_whose_attempt_was_not_recorded_is_still_ours(
    sandbox: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process loses the attempts of its last moment; the intent of the write names the run all the same."""
    monkeypatch.setattr(Run, "note", lambda run, kind, data: None)
    async with Walk(org.onboarding(sandbox)) as walk:
        await walk.run_all()
        where, client_id = walk.backend.where, walk.settings.client_id
    (policy,) = api("GET", RETENTION_POLICIES).json()["entities"]
    ledger = Ledger(tmp_path / "home")
    (intent,) = [entry for entry in ledger.entries(INTENT) if entry.data["place"] == 1]
    created = {"client_id": client_id, "entity_id": policy["id"], "at": intent.at}
    assert OwnWork(ledger, where, "platform").run_of(created, client_id, 0) == walk.run_id
    assert not OwnWork(ledger, where, "platform").run_of({**created, "at": "2020-01-01T00:00:00+00:00"}, client_id, 0)


async def test_a_walk_that_nobody_looked_after_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    """No silence that could be taken for “nothing was changed”."""
    async with Walk(org.onboarding(sandbox)) as walk:
        await walk.run("connect")
    assert "have not been checked" in AuditReport.open(home=tmp_path / "home").show("still_so").html


async def test_an_audit_that_cannot_be_read_is_said(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is made all the same, and the ledger has the reason."""
    scopes = ["recording:retentionPolicy:view", "integrations:integration:view"]
    client = sandbox.control("POST", "/clients", {"scopes": scopes}).json()
    for name in ("client_id", "client_secret"):
        monkeypatch.setenv(f"OPSLIB_{name.upper()}", client[name])
    found = await looked(org.onboarding(sandbox))
    assert found.failed
    assert "audits:audit:view" in found.unaudited
    ledger = Ledger(Settings.load().home)
    assert next(ledger.entries(CHECKED)).data["unaudited"] == found.unaudited


@pytest.mark.slow
async def test_what_happened_before_a_refused_look_is_still_found(
    sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look without the audit does not count: the next one asks for its time, too; nor does one that leaves a gap."""
    wanted = org.onboarding(sandbox)
    await looked(wanted)
    monkeypatch.setattr("opslib.router.org_changes._OVERLAP", timedelta(0))
    made_and_gone(api, "Refused")
    scopes = ["recording:retentionPolicy:view", "integrations:integration:view"]
    client = sandbox.control("POST", "/clients", {"scopes": scopes}).json()
    with monkeypatch.context() as patch:
        for name in ("client_id", "client_secret"):
            patch.setenv(f"OPSLIB_{name.upper()}", client[name])
        assert (await looked(wanted)).failed
    assert of(await looked(wanted, datetime.now(UTC)), "audit") == []
    assert of(await looked(wanted), "audit") == [("Create", "Refused"), ("Delete", "Refused")]
    assert (await looked(wanted)).changes == []


@pytest.mark.slow
async def test_what_the_audit_says_late_is_still_found(sandbox: Sandbox, api: Api) -> None:
    """A policy that somebody made and deleted just before a look, and that the audit did not show then."""
    wanted = org.onboarding(sandbox)
    await looked(wanted)
    sandbox.control("PUT", "/settings", {"read_lag_s": 4.0})
    made_and_gone(api, "Late")
    assert of(await looked(wanted), "audit") == []
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.0})
    assert of(await looked(wanted), "audit") == [("Create", "Late"), ("Delete", "Late")]


async def test_storage_targets_are_compared(sandbox: Sandbox, api: Api) -> None:
    """That API has no audit; what is different is still seen, with the client's secret nowhere."""
    wanted = storage_targets.onboarding(sandbox)
    storage_targets.seed(sandbox, api)
    assert not (await looked(wanted)).failed
    policy = api("GET", f"{POLICIES}/p-1").json()
    kept = {key: policy[key] for key in ("name", "description", "recordingTypes", "storageTargetId", "enabled")}
    api("PUT", f"{POLICIES}/p-1", kept | {"retentionPeriodDays": 30})
    found = await looked(wanted)
    assert found.changes[0]["fields"] == [{"path": "retentionPeriodDays", "before": 365, "after": 30}]
    assert "no audit" in found.unaudited


@pytest.mark.slow
async def test_a_long_time_is_asked_in_parts(sandbox: Sandbox) -> None:
    """The org refuses more than 31 days at once."""
    found = await looked(org.onboarding(sandbox), datetime.now(UTC) - timedelta(days=100))
    assert not found.failed, found.unaudited


@pytest.mark.parametrize("wrong", [datetime(1971, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)])
async def test_a_look_by_a_clock_of_long_ago_is_forgotten(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, wrong: datetime
) -> None:
    """The next look asks for 30 days and says so; the one after it goes on as if nothing had been wrong."""
    wanted = org.onboarding(sandbox)
    _looked_at(sandbox, wrong)
    asked = _asked(monkeypatch)
    second = await looked(wanted)
    assert not second.failed
    assert timedelta(days=29) < datetime.now(UTC) - second.since < timedelta(days=31)
    assert f"up to {wrong.isoformat()[:10]}" in second.left_out
    assert "--since" in second.left_out
    third = await looked(wanted)
    assert datetime.now(UTC) - third.since < timedelta(hours=2)
    assert third.left_out == ""
    assert [(end - start).days for start, end in asked] == [30, 0]


async def test_a_look_by_a_clock_of_the_future_hides_nothing(
    sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens after it is found, although the ledger says that the audit was read beyond that."""
    wanted = org.onboarding(sandbox)
    _looked_at(sandbox, datetime.now(UTC) + timedelta(days=9000))
    made_and_gone(api, "Hidden")
    second = await looked(wanted)
    assert [event for event in of(second, "audit") if event[1] == "Hidden"] == [
        ("Create", "Hidden"),
        ("Delete", "Hidden"),
    ]
    assert "later than now" in second.left_out
    third = await looked(wanted)
    assert (third.changes, third.left_out) == ([], "")


async def test_a_look_a_while_ago_leaves_nothing_out(sandbox: Sandbox) -> None:
    """Up to the limit the looks follow on each other."""
    _looked_at(sandbox, at := datetime.now(UTC) - timedelta(days=29))
    found = await looked(org.onboarding(sandbox))
    assert (found.since, found.left_out) == (at - timedelta(hours=1), "")


def _looked_at(sandbox: Sandbox, at: datetime) -> None:
    """A look at an empty org, noted by a clock that said this."""
    where = {"where": sandbox["api_url"], "backend": "platform"}
    said = at.isoformat()
    Ledger(Settings.load().home).start_run("changes").append(
        SNAPSHOT, {"at": said, "audited_until": said, **where, "objects": {}}
    )


def _asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[datetime, datetime]]:
    """The times that the audit is asked for from now on."""
    asked, ask = list[tuple[datetime, datetime]](), org_changes.audit_entries

    async def noted(client: Any, since: datetime, until: datetime) -> Any:
        asked.append((since, until))
        return await ask(client, since, until)

    monkeypatch.setattr(org_changes, "audit_entries", noted)
    return asked


def test_both_shapes_of_an_audit_entry_are_read() -> None:
    """The query says eventDate, user and client; the event says eventTime, username and clientId; ids alone will do."""
    shared: Json = {
        "id": "1",
        "serviceName": "Quality",
        "action": "Update",
        "entityType": "Policy",
        "entity": {"id": "p", "name": "P"},
        "propertyChanges": [{"property": "enabled", "oldValues": ["true"], "newValues": ["false"]}],
    }
    at = "2026-11-23T10:00:00.000Z"
    told = change({**shared, "eventDate": at, "user": {"id": "u", "name": "Ada"}, "client": {"id": "c"}})
    assert told["by"] == "Ada"
    sent = change({**shared, "eventTime": at, "userId": "u", "username": {"id": "u"}, "clientId": {"id": "c"}})
    assert {**told, "by": "u"} == sent
    assert change({**shared, "eventTime": at, "clientId": "c"})["by"] == "c"
    assert change({"id": "2"})["by"] == "not said"


def test_what_differs() -> None:
    """Made, changed and removed, each by id; what is the same is not named."""
    a, b = {"kind": "policy", "name": "A", "body": {"x": 1}}, {"kind": "policy", "name": "B", "body": {"x": {"y": 1}}}
    found = list(differences({"1": a, "2": a, "3": a}, {"1": a, "2": b, "4": b}))
    assert [(one["entity_id"], one["action"]) for one in found] == [("2", "Update"), ("3", "Delete"), ("4", "Create")]
    assert found[0]["fields"] == [
        {"path": "x", "before": 1, "after": None},
        {"path": "x.y", "before": None, "after": 1},
    ]


@pytest.mark.slow
def test_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    """A line for each change; a date as --since; exit code 0."""
    env = without_settings() | environment(sandbox, tmp_path) | {"OPSLIB_BACKEND": "platform"}
    api = sandbox.api()
    api("POST", RETENTION_POLICIES, {"name": "By hand"})
    command = [sys.executable, "-m", "opslib.cli", "changes", "--since", "2026-01-01"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=90)
    assert done.returncode == 0, done.stderr
    assert "audit      Create Policy By hand, by" in done.stdout
    assert "    name: By hand\n" in done.stdout
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, env=env, timeout=90)
    assert json.loads(again.stdout)["changes"] == []
    assert list(Ledger(tmp_path).entries(CHANGE))
