"""Who did what: real processes of several users on one ledger, and what the page then says of each."""

import asyncio
import os
import platform
import shutil
import signal
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from opslib.audit import controls, deeds
from opslib.audit.deeds import Deed
from opslib.audit.document import Table
from opslib.audit.facts import Facts, load
from opslib.audit.report import AuditReport
from opslib.audit.words import key_words
from opslib.credentials import KeyReference
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger, Run
from opslib.onboarding.file import load_onboarding
from opslib.router.journal import APPROVAL, DECIDED, DIFFERS, FINISHED, ROLLBACK, TAKEN_UP, started
from opslib.walk.walk import Walk

from ..forks import FORKS, opslib
from ..world import POLICIES, Sandbox, environment, eventually, without_settings, write_onboarding
from .ledgers import rows, step
from .test_controls import PLAN

V1 = Path(__file__).parents[1] / "data" / "ledger_v1.sqlite3"
TO_APPROVE = ("connect", "validate_bucket", "plan", "approve")
ME = f"(user id {os.getuid()})"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def file(sandbox: Sandbox, tmp_path: Path) -> Path:
    return write_onboarding(tmp_path / "target.yaml", sandbox)


@pytest.fixture
def env(sandbox: Sandbox, home: Path) -> dict[str, str]:
    return without_settings() | environment(sandbox, home)


def _process(
    user: str, env: Mapping[str, str], file: Path, steps: Sequence[str], *, resume: bool = False
) -> BaseProcess:
    """A process of this user that runs these steps, begun."""
    process = FORKS.Process(target=_walk, args=(dict(env) | {"LOGNAME": user}, file, steps, resume))
    process.start()
    return process


def _as(user: str, env: Mapping[str, str], file: Path, steps: Sequence[str], *, resume: bool = False) -> None:
    """The same, run to its end."""
    process = _process(user, env, file, steps, resume=resume)
    process.join()
    assert process.exitcode == 0


def _walk(env: dict[str, str], file: Path, steps: Sequence[str], resume: bool) -> None:
    os.environ.clear()
    os.environ.update(env)
    asyncio.run(_run(file, steps, resume))


async def _run(file: Path, steps: Sequence[str], resume: bool) -> None:
    async with Walk(load_onboarding(file), resume=resume) as walk:
        for name in steps:
            if name != "apply the plan of another run":
                await walk.run(name)
                continue
            async with walk.changing(walk.backend) as applier:
                await applier.apply(walk.reviewed_plan(), walk.onboarding.target.credentials, walk.make_plan)


def _users(found: Sequence[Deed]) -> list[tuple[str, str]]:
    return [(deed.what, deed.actor.user) for deed in found]


def _table(home: Path, section: str, caption: str) -> Table:
    blocks = AuditReport.open(home=home).section(section).blocks
    (table,) = [block for block in blocks if isinstance(block, Table) and block.caption == caption]
    return table


@pytest.mark.slow
def test_whoever_resumes_and_applies_is_named(env: dict[str, str], file: Path, home: Path, sandbox: Sandbox) -> None:
    """The first one approved and the second one applied: the page says so, with user id, host, time and entry."""
    _as("first", env, file, TO_APPROVE)
    _as("second", env, file, ["apply"], resume=True)
    facts = load(home)
    whole = [
        ("started the run", "first"),
        ("planned", "first"),
        ("approved the plan", "first"),
        ("took up the run again", "second"),
        ("began apply 1", "second"),
        ("finished apply 1", "second"),
    ]
    assert _users(deeds.of_run(facts)) == whole
    assert _users(deeds.of_apply(facts, 1)) == [deed for deed in whole if "run" not in deed[0]]
    (at,) = rows(home, "SELECT at, seq FROM entries WHERE kind = 'apply.started'")
    key = key_words(Ledger(home)._signer.key_id)
    who = f"second {ME} on {platform.node()}, key {key}"
    assert ["Began apply 1.", who, *at] in _table(home, "who", "Who did what, in order").rows
    query = "SELECT DISTINCT json_extract(body, '$.user') FROM entries WHERE kind IN ('lock.taken', 'apply.started')"
    assert rows(home, query) == [("second",)]
    (approval,) = facts.entries(APPROVAL)
    assert (approval.data["user"], approval.data["uid"]) == ("first", os.getuid())
    assert ["Approved by", f"first {ME} on {platform.node()}"] in [
        list(row) for row in _table(home, "changes", "Apply 1").rows
    ]


@pytest.mark.slow
def test_each_name_says_who_vouches_for_it(env: dict[str, str], file: Path, home: Path, sandbox: Sandbox) -> None:
    """The machine for the user, AWS for the ARN, Genesys for the OAuth client, the key for itself; every entry has an
    actor."""
    _as("first", env, file, [*TO_APPROVE, "apply", "see_event", "report"])
    token = sandbox.api()("GET", "/api/v2/tokens/me").json()["OAuthClient"]
    key = Ledger(home)._signer.key_id
    said = {row[1]: str(row[2]).split(",")[0] for row in _table(home, "who", "Who they are, and who says so").rows}
    assert said == {
        f"user first {ME} on {platform.node()}": "the machine",
        f"AWS caller {sandbox.s3(service='sts').get_caller_identity()['Arn']}": "AWS (simulated)",
        f"OAuth client {token['name']} ({token['id']})": "Genesys (simulated)",
        f"signing key {key_words(key)}": "the key: it signed this ledger",
    }
    query = "SELECT DISTINCT kind = 'actor', json_extract(body, '$.actor') FROM entries ORDER BY 1"
    assert rows(home, query) == [(0, 1), (1, None)]


@pytest.mark.slow
def test_who_does_not_answer_is_unknown_and_ends_no_walk(env: dict[str, str], file: Path, home: Path) -> None:
    """STS cannot be reached: the walk goes on, and AWS vouches for nothing."""
    _as("first", env | {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}, file, TO_APPROVE)
    (unknown,) = [
        row for row in _table(home, "who", "Who they are, and who says so").rows if "AWS caller" in str(row[1])
    ]
    assert "UNKNOWN: GetCallerIdentity: no answer" in str(unknown[1])
    assert str(unknown[2]).startswith("nothing: no answer")


@pytest.mark.slow
def test_a_killed_apply_and_who_finished_it_are_on_the_page(
    env: dict[str, str], file: Path, home: Path, sandbox: Sandbox
) -> None:
    """kill -9 in the second write, and `opslib resume` by another user: the crash, the last sign of life, and who."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 60, "times": 1})
    first = _process("first", env, file, [*TO_APPROVE, "apply"])
    try:
        eventually(lambda: any(one["method"] == "PUT" and POLICIES in one["path"] for one in sandbox.requests()), 120)
    finally:
        first.kill()
        first.join()
    assert first.exitcode == -signal.SIGKILL
    ((last,),) = rows(home, "SELECT max(seq) FROM entries")
    alone = deeds.of_run(load(home))[-1]
    assert deeds.of_apply(load(home), 1)[-1] == alone
    assert (alone.entry, alone.actor.user) == (last, "first")
    assert alone.what == "step “apply” did not complete: its process died, or still ran when this report was made"
    sandbox.control("DELETE", "/faults")
    assert opslib(env | {"LOGNAME": "third"}, "resume").returncode == 0
    found = deeds.of_apply(load(home), 1)
    (crash,) = [deed for deed in found if deed.what.startswith("crash")]
    ((seq, at),) = rows(home, "SELECT seq, at FROM entries WHERE kind = 'apply.taken_up'")
    assert (crash.actor.user, crash.entry) == ("first", last)
    assert "step “apply” did not complete" in crash.what
    assert crash.what.endswith(f"Taken up by third {ME} on {platform.node()} at {at}, entry {seq}")
    assert _users(found)[-2:] == [("took up apply 1, to finish it", "third"), ("finished apply 1", "third")]
    assert ("began apply 1", "first") in _users(found)
    assert crash in deeds.of_run(load(home))
    assert not [deed for deed in found if "“resume” did not complete" in deed.what]
    assert crash.what.removeprefix("c") in AuditReport.open(home=home).show("who").plain


@pytest.mark.slow
def test_a_plan_may_be_approved_in_one_run_and_applied_in_another(env: dict[str, str], file: Path, home: Path) -> None:
    """The control passes, and says in which run and by whom; the plan section has both."""
    _as("second", env, file, TO_APPROVE)
    _as("first", env, file, ["connect", "validate_bucket", "plan", "apply the plan of another run"])
    facts = load(home)
    (approved_in,) = {entry.run_id for entry in facts.everywhere(APPROVAL)}
    assert approved_in != facts.run_id
    found = controls._approval(facts)
    assert found.word == "PASS"
    assert found.why.endswith(f"; approved in run {approved_in} by second {ME} on {platform.node()}")
    assert _users(deeds.of_apply(facts, 1)) == [
        (f"planned, in run {approved_in}", "second"),
        (f"approved the plan, in run {approved_in}", "second"),
        ("planned", "first"),
        ("began apply 1", "first"),
        ("finished apply 1", "first"),
    ]


# What needs no org: entries of several users


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return _run_of("first", home, monkeypatch)


def _run_of(user: str, home: Path, monkeypatch: pytest.MonkeyPatch, command: str = "walk") -> Run:
    monkeypatch.setenv("LOGNAME", user)
    return Ledger(home).start_run(command, backend="storage-targets")


def _approve(run: Run, checksum: str = PLAN.checksum) -> None:
    run.append(APPROVAL, {"checksum": checksum, "unsafe": ["many"], "reason": "because", "confirm": "T"})


@pytest.mark.parametrize(
    ("how", "counts"),
    [("done", False), ("rolled back", True), ("", True), ("of another plan", True)],
)
def test_an_approval_of_an_earlier_run_is_used_up_by_an_apply_that_ended_well(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, how: str, counts: bool
) -> None:
    """One that was undone, did not end, or was of another plan leaves it valid. Another plan's never counts."""
    _approve(run)
    _approve(run, "of another plan")
    plan = PLAN.model_copy(update={"where": "https://api.other.example.com"}) if how == "of another plan" else PLAN
    between = started(_run_of("second", home, monkeypatch), plan, KeyReference())
    if how:
        between.note(run, FINISHED, how="done" if how == "of another plan" else how, kept="")
    last = _run_of("third", home, monkeypatch)
    started(last, PLAN, KeyReference()).note(last, FINISHED, how="done")
    found = controls._approval(load(home))
    assert found.word == ("PASS" if counts else "FAIL")
    assert ("approved in run" in found.why) == counts


def test_the_consent_the_undoing_and_each_decision_have_their_own_user(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one consented and began; the second decided and undid it, in another run."""
    _approve(run)
    progress = started(run, PLAN, KeyReference())
    other = _run_of("second", home, monkeypatch, "rollback")
    difference = {"place": 0, "kind": "target", "name": "T", "origin": "others", "fields": [], "found": None}
    progress.note(other, TAKEN_UP, how="rollback")
    progress.note(other, DIFFERS, difference=difference)
    progress.note(other, DECIDED, place=0, choice="overwritten", user="second")
    progress.note(other, ROLLBACK, reason="asked for")
    progress.note(other, FINISHED, how="rolled back", kept="")
    assert _users(deeds.of_apply(load(home), 1)) == [
        ("approved the plan", "first"),
        ("consented to many", "first"),
        ("began apply 1", "first"),
        ("took up apply 1, to undo it", "second"),
        ("decided to write over target T, which was not as it was sent", "second"),
        ("began to undo apply 1", "second"),
        ("finished undoing apply 1", "second"),
    ]


def test_a_crash_is_an_event_with_who_took_it_up(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that raised, and one whose process died; what ended or was cancelled is none."""
    for name, end in (("connect", "done"), ("plan", "cancelled")):
        step(run, name, "started")
        step(run, name, end)
    step(run, "validate_bucket", "started")
    run.append("step.crashed", {"step": "validate_bucket", "error": "ZeroDivisionError"})
    step(run, "see_event", "started")
    died = run.append("sample", {"outcome": "success"})
    monkeypatch.setenv("LOGNAME", "second")
    later = Run(Ledger(home), run.id)
    resumed = later.append("run.resumed", {"user": "second", "host": "h2"})
    crashes = [deed for deed in deeds.of_run(load(home)) if deed.what.startswith("crash")]
    assert [deed.actor.user for deed in crashes] == ["first", "first"]
    assert "“validate bucket” ended with ZeroDivisionError" in crashes[0].what
    assert "“see event” did not complete" in crashes[1].what
    assert crashes[1].entry == died.seq
    for crash in crashes:
        assert crash.what.endswith(f"Taken up by second {ME} on {platform.node()} at {resumed.at}, entry {resumed.seq}")


def test_a_process_that_still_writes_has_not_crashed(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one opened the walk in the middle of the step, and the first one went on with it."""
    step(run, "see_event", "started")
    monkeypatch.setenv("LOGNAME", "second")
    Run(Ledger(home), run.id).append("run.resumed", {"user": "second", "host": "h2"})
    last = run.append("sample", {"outcome": "success"})
    found = deeds.of_run(load(home))[-1]
    assert (found.entry, found.actor.user) == (last.seq, "first")
    assert found.what.startswith("step “see event” did not complete: its process died, or still ran")
    step(run, "see_event", "done")
    assert not any("see event" in deed.what for deed in deeds.of_run(load(home)))


@pytest.mark.parametrize("signed_by", [{"signed_by": "0123456789abcdef"}, {}])
def test_an_older_ledger_names_the_actor_of_the_run_and_says_so(home: Path, signed_by: dict[str, str]) -> None:
    """Its entries name nobody: who started the run, or took it up again, stands for them."""
    ledger = Ledger(home)
    about = {"user": "first", "host": "h1", "opslib": "0.1.0", "python": "3.11", "command": "walk", **signed_by}
    ledger.append("r-1", "run.started", about)
    ledger.append("r-1", APPROVAL, {"checksum": PLAN.checksum, "unsafe": [], "reason": "", "confirm": "T"})
    ledger.append("r-1", "run.resumed", {"user": "second", "host": "h2"})
    body = {"plan": PLAN.model_dump(mode="json"), "checksum": PLAN.checksum, "credentials": {}, "user": "first"}
    apply = ledger.append("r-1", "apply.started", body)
    ledger.append("r-2", "run.started", {**about, "user": "third", "command": "resume"})
    ledger.append("r-2", FINISHED, {"apply": str(apply.seq), "how": "done"})
    ledger.append("r-1", "nobody's", {})
    signed = "".join(f", key {key_words(key)}" for key in signed_by.values())
    shown = _table(home, "who", "Who did what, in order").rows
    assert [row[:2] for row in shown] == [
        ["Started the run.", f"first on h1{signed}"],
        ["Approved the plan.", f"first on h1{signed}"],
        ["Took up the run again.", "second on h2"],
        ["Began apply 1.", "second on h2"],
        ["Took up apply 1.", f"third on h1{signed}"],
        ["Finished apply 1.", f"third on h1{signed}"],
    ]
    names = _table(home, "who", "Who they are, and who says so").rows
    assert {row[-1] for row in names if str(row[1]).startswith("user")} == {"the machine, for the whole run"}


def test_the_first_schema_still_reads(home: Path) -> None:
    """A ledger of version 1 has an audit with its actors."""
    home.mkdir()
    shutil.copyfile(V1, home / FILE_NAME)
    facts: Facts = load(home)
    assert facts.ledger.state == "unsigned"
    assert {deed.actor.user for deed in deeds.of_run(facts)} == {facts.started.data["user"]}
    assert {row[-1] for row in _table(home, "who", "Who they are, and who says so").rows} == {
        "the machine, for the whole run"
    }


def test_an_entry_that_names_no_actor_is_nobodys(run: Run, home: Path) -> None:
    """A foreign ledger may name an entry that is none: that is UNKNOWN, not the next best name."""
    run.ledger.append(run.id, APPROVAL, {"checksum": "c", "unsafe": [], "actor": 99})
    (row,) = [row for row in _table(home, "who", "Who did what, in order").rows if row[0] == "Approved the plan."]
    assert row[1] == "UNKNOWN: the entry names no actor"
