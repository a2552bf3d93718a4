"""An unfinished apply in a ledger that somebody changed: nothing is resumed, undone, accepted or written over."""

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from opslib import errors
from opslib.audit.verify import verify
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer
from opslib.router.journal import APPROVAL, STARTED, refuse_unproved, unfinished_apply
from opslib.walk.walk import Walk

from ..audit.tampering import Tables, load
from ..forks import opslib
from ..walk.test_steps import cancel_in_the_policy
from ..walk.test_steps import onboarding as walk_onboarding
from ..world import Api, Sandbox, environment, own_key, write_onboarding
from .crash_program import Crasher, How
from .org import WRITES, Operator, changed, clear, onboarding, operator, seed, state, stop_after_the_first, writes


def _entry(tables: Tables, kind: str) -> dict[str, str]:
    return [row for row in tables.entries if row["kind"] == kind][-1]


def _replaced(kind: str, old: str, new: str, *, rechain: bool = False) -> Callable[[Tables, Path], None]:
    def edit(tables: Tables, folder: Path) -> None:
        row = _entry(tables, kind)
        assert old in row["body"]
        row["body"] = row["body"].replace(old, new)
        if rechain:
            tables.rechain(int(row["seq"]))
            tables.refit()

    return edit


def _without_the_last(tables: Tables, folder: Path) -> None:
    tables.entries.pop()


def _one_more(tables: Tables, folder: Path) -> None:
    tables.entries.append({**_entry(tables, STARTED), "seq": len(tables.entries) + 1})
    tables.rechain(len(tables.entries))


def _one_more_with_another_key(tables: Tables, folder: Path) -> None:
    _one_more(tables, folder)
    tables.refit(Signer.load(folder / "other.pem"))


def _as_before_signatures(tables: Tables, folder: Path) -> None:
    """A chain that holds, of a time before signatures: anybody can make it."""
    for row in tables.entries:
        if row["kind"] == "run.started":
            row["body"] = json.dumps({k: v for k, v in json.loads(row["body"]).items() if k != "signed_by"})
    _replaced(STARTED, '"bucket":"', '"bucket":"evil-')(tables, folder)
    tables.rechain(1)
    tables.head, tables.checkpoints = [], []


EDITS = {
    "the bucket": (_replaced(STARTED, '"bucket":"', '"bucket":"evil-'), "entry {started} does not match its hash"),
    "the bucket, rechained": (_replaced(STARTED, '"bucket":"', '"bucket":"evil-', rechain=True), "is proved"),
    "the checksum": (_replaced(STARTED, '"checksum":"', '"checksum":"0'), "entry {started} does not match its hash"),
    "the approval": (
        _replaced(APPROVAL, '"reason":"test"', '"reason":"ok"'),
        "entry {approval} does not match",
    ),
    "a recalled step": (_replaced("step.done", '"summary":"', '"summary":"X'), "does not match its hash"),
    "the end is gone": (_without_the_last, "is missing"),
    "one more": (_one_more, "was added without the key"),
    "another key": (_one_more_with_another_key, "its key is"),
    "no signatures": (_as_before_signatures, "entry {started} was written before the ledger had signatures"),
}


@pytest.fixture
def killed(sandbox: Sandbox, api: Api, tmp_path: Path) -> Crasher:
    """A workspace whose apply was killed at its first write; the org is as it was before."""
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    wanted = changed(sandbox)
    seed(sandbox, api)
    sandbox.control("DELETE", "/requests")
    assert Crasher(sandbox, tmp_path / "whole", wanted).run("apply").exit_code == 0
    asked = [r["method"] for r in sandbox.requests("api") if r["path"].startswith("/api/")]
    first = next(place for place, method in enumerate(asked, 1) if method in WRITES)
    clear(api)
    seed(sandbox, api)
    crasher = Crasher(sandbox, tmp_path / "killed", wanted)
    assert crasher.run("apply", first).exit_code == -9
    assert verify(crasher.home).intact
    sandbox.control("DELETE", "/requests")
    return crasher


def _edited(killed: Crasher, edit: Callable[[Tables, Path], None], home: Path) -> tuple[Crasher, Tables]:
    """A copy of the workspace with the edit, and the rows that it holds then."""
    shutil.copytree(killed.home, home)
    tables = load(home / FILE_NAME)
    edit(tables, home.parent)
    with closing(sqlite3.connect(home / FILE_NAME)) as db, db:
        for table in ("entries", "head", "checkpoints"):
            db.execute(f"DELETE FROM {table}")
            for row in getattr(tables, table):
                db.execute(f"INSERT INTO {table}({','.join(row)}) VALUES ({','.join('?' * len(row))})", [*row.values()])
    return killed.at(home), tables


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_changed_ledger_is_not_carried_out(killed: Crasher, sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """Each edit, and each way to go on: refused with the entry and what to do; neither the org nor the ledger is
    written to. Unchanged, the same workspace is resumed."""
    before = state(api)
    tables = load(killed.home / FILE_NAME)
    seqs = {"started": _entry(tables, STARTED)["seq"], "approval": _entry(tables, APPROVAL)["seq"]}
    for number, (name, (edit, cause)) in enumerate(EDITS.items()):
        crasher, edited = _edited(killed, edit, tmp_path / f"edited-{number}")
        hows: tuple[How, ...] = ("resume", "rollback", "accept", "overwrite") if number == 0 else ("resume",)
        for how in hows:
            said = crasher.run(how)
            assert said.exit_code == 1, (name, how)
            assert cause.format(**seqs) in said.said, (name, said.said)
            assert "nothing was written" in said.said, name
            assert writes(sandbox) == [], name
        if name != "no signatures":  # that one is taken for an older version's, and is signed from here on
            assert load(crasher.home / FILE_NAME) == edited, name
    assert state(api) == before
    assert killed.run("resume").said.startswith("The apply is finished")
    assert state(api) != before


@pytest.mark.slow
def test_the_command_line_says_what_to_do(killed: Crasher, sandbox: Sandbox, tmp_path: Path) -> None:
    """Exit code 1, cause and fix, nothing sent; the same for a new apply in that workspace."""
    edit, _ = EDITS["the bucket"]
    crasher, _ = _edited(killed, edit, tmp_path / "edited")
    env = environment(sandbox, crasher.home)
    sandbox.control("DELETE", "/requests")
    file = write_onboarding(tmp_path / "onboarding.yaml", sandbox)
    for words in (["resume"], ["rollback", "--overwrite"], ["apply", file, "--yes"], ["plan", file]):
        done = opslib(env, *words, "--json")
        assert done.returncode == 1, done.stderr
        error = json.loads(done.stdout)
        assert error["error"] == "LedgerNotProved"
        for part in ("as evidence", "opslib verify", "OPSLIB_HOME", "opslib plan"):
            assert part in error["fix"]
    assert sandbox.requests() == []


@pytest.fixture
async def ops(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    async with operator(sandbox, tmp_path / "home", monkeypatch) as ops:
        yield ops


@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_a_change_under_a_running_program_is_noticed(ops: Operator, sandbox: Sandbox, how: str) -> None:
    """The ledger was proved before, in this very process."""
    await stop_after_the_first(ops, onboarding(sandbox))
    assert ops.unfinished()
    sent = writes(sandbox)
    with closing(sqlite3.connect(ops.run.ledger.path)) as db, db:
        edit = ['"bucket":"', '"bucket":"evil-', STARTED]
        db.execute("UPDATE entries SET body = replace(body, ?, ?) WHERE kind = ?", edit)
    with pytest.raises(errors.LedgerNotProved, match="does not match its hash"):
        await getattr(ops.applier(), how)()
    assert writes(sandbox) == sent


async def test_an_older_copy_under_a_running_program_is_noticed(ops: Operator, sandbox: Sandbox) -> None:
    """Each row of it was signed: the one before the first change was done."""
    await stop_after_the_first(ops, onboarding(sandbox))
    progress = ops.unfinished()
    assert progress
    tables = load(ops.run.ledger.path)
    tables.entries = [row for row in tables.entries if row["seq"] <= int(progress.id)]
    tables.refit(Signer.load(own_key()))
    with closing(sqlite3.connect(ops.run.ledger.path)) as db, db:
        db.execute("DELETE FROM entries WHERE seq > ?", [progress.id])
        db.execute("DELETE FROM head")
        head = tables.head[0]
        db.execute(f"INSERT INTO head({','.join(head)}) VALUES (?,?,?,?,?)", [*head.values()])
    with pytest.raises(errors.LedgerNotProved, match="older copy"):
        await ops.applier().resume()


async def test_an_index_that_hides_an_entry_is_noticed(ops: Operator, sandbox: Sandbox) -> None:
    """Each row is as it was signed, and a query by kind still does not find all of them."""
    await stop_after_the_first(ops, onboarding(sandbox))
    with closing(sqlite3.connect(ops.run.ledger.path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_kind'").fetchone()
        size = db.execute("PRAGMA page_size").fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    home = ops.run.ledger.path.parent
    ops.run.ledger.close()
    content = bytearray((home / FILE_NAME).read_bytes())
    index = slice((page - 1) * size, page * size)
    assert content[index].count(b"change.intent") >= 1
    content[index] = content[index].replace(b"change.intent", b"change.intenu")
    (home / FILE_NAME).write_bytes(content)
    for ending in ("-wal", "-shm"):
        (home / f"{FILE_NAME}{ending}").unlink(missing_ok=True)
    with pytest.raises(errors.LedgerNotProved, match="index"):
        unfinished_apply(Ledger(home), ops.backend.where)


async def test_a_plan_that_was_not_approved_is_refused(ops: Operator, sandbox: Sandbox) -> None:
    """Also in a ledger that is signed all through: the checksum stored with it, and the one of the approval, count."""
    await stop_after_the_first(ops, onboarding(sandbox))
    whole = next(iter(ops.run.entries(STARTED)))
    run, ledger = ops.run, ops.run.ledger

    def refused(**changes: object) -> str:
        run.append(STARTED, {**whole.data, **changes})
        progress = unfinished_apply(ledger, ops.backend.where)
        assert progress
        with pytest.raises(errors.LedgerNotProved) as caught:
            refuse_unproved(ledger, progress)
        return caught.value.cause

    other = json.loads(json.dumps(whole.data["plan"]).replace(sandbox["bucket"], "evil"))
    assert "does not have the checksum" in refused(plan=other)
    assert "does not have the checksum" in refused(checksum="0" * 64)
    approval = run.append(APPROVAL, {"checksum": "1" * 64})
    assert f"is not the one that entry {approval.seq} approves" in refused()
    run.append(APPROVAL, {"checksum": whole.data["checksum"]})
    run.append(STARTED, whole.data)
    progress = unfinished_apply(ledger, ops.backend.where)
    assert progress
    refuse_unproved(ledger, progress)


async def test_a_walk_does_not_recall_what_was_changed(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its approval nor how a step ended."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(walk_onboarding(sandbox)) as walk:
        await cancel_in_the_policy(walk, sandbox)
    for kind in (APPROVAL, "step.done", "step.started", "plan.made", "sample"):
        home = tmp_path / f"home-{kind}"
        home.mkdir()
        for file in tmp_path.glob(f"{FILE_NAME}*"):
            shutil.copy(file, home)
        with closing(sqlite3.connect(home / FILE_NAME)) as db, db:
            db.execute("UPDATE entries SET body = replace(body, '{', '{ ') WHERE kind = ?", [kind])
        monkeypatch.setenv("OPSLIB_HOME", str(home))
        before = load(home / FILE_NAME)
        with pytest.raises(errors.LedgerNotProved):
            Walk(walk_onboarding(sandbox), resume=True)
        assert load(home / FILE_NAME) == before
