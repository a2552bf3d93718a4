"""The applier on an org in memory, whose reads are late and whose calls fail: what it writes, and in which order.

`test_apply.py` has the same on the sandbox, over HTTP.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib import Onboarding, errors
from opslib.credentials import AwsKeys, RoleReference
from opslib.genesys.backend import JSON, Creation, Kind
from opslib.genesys.storage_targets_backend import StorageTargetsBackend
from opslib.ledger.ledger import Ledger, Run
from opslib.router.apply import Applier
from opslib.router.differences import FieldDifference, is_older, origin_of, same_revision
from opslib.router.journal import MADE, SENT, unfinished_apply
from opslib.router.plan import Plan, make_plan, make_removal

from .org import NO_CLIENT, onboarding

pytestmark = pytest.mark.usefixtures("slept")

SETTLES_WITHIN_S = 8.0
ROLE = RoleReference(role_arn="arn:aws:iam::123456789012:role/Recordings", external_id="e-1")
OLD, NEW = "https://old.example.com/in", "https://new.example.com/in"
Key = tuple[Kind, str]


class Org(StorageTargetsBackend):
    """Keeps every state of each object. The first `late` reads after a write show the oldest one."""

    def __init__(self) -> None:
        super().__init__(NO_CLIENT)
        self.states: dict[Key, list[JSON | None]] = {}
        self.asked: list[str] = []
        self.late = 0
        self.faults: dict[str, list[Exception | None]] = {}
        self.keeps: JSON = {}
        self.wrote_with: dict[Kind, Any] = {}
        self._still_late = 0
        self._version = 0

    async def read(self, kind: Kind, id: str) -> JSON | None:
        self._ask(f"read {kind}")
        states = self.states.get((kind, id), [None])
        self._still_late -= 1
        return states[0] if self._still_late >= 0 else states[-1]

    async def write(self, kind: Kind, id: str, body: JSON, credentials: Any = None, **how: Any) -> JSON:
        self._ask(f"write {kind}")
        self.wrote_with[kind] = credentials
        return self.put((kind, id), body | (self.keeps if kind == "webhook" else {}))

    async def delete(self, kind: Kind, id: str) -> None:
        self._ask(f"delete {kind}")
        self.put((kind, id), None)

    def put(self, key: Key, body: JSON | None) -> JSON:
        """A state, whoever wrote it, with the next version."""
        states = self.states.setdefault(key, [None])
        self._version += 1
        after = None if body is None else {**body, "id": key[1], "version": self._version}
        states.append(after)
        self._still_late = self.late
        return after or {}

    def now(self) -> dict[Kind, JSON | None]:
        return {key[0]: self.writable(states[-1]) if states[-1] else None for key, states in self.states.items()}

    @property
    def writes(self) -> list[str]:
        return [one for one in self.asked if not one.startswith("read")]

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        faults = self.faults.get(what, [])
        if fault := faults.pop(0) if faults else None:
            raise fault


@pytest.fixture
def org() -> Org:
    return Org()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Ledger(tmp_path / "home").start_run("test")
    yield run
    run.ledger.close()


def wanted(url: str = NEW, days: int = 365, **target: Any) -> Onboarding:
    facts: Any = {"bucket": "recordings-prod"}
    role = {"credentials": ROLE.model_dump(), "retention_days": days, **target}
    return onboarding(facts, target=role, policy={"retention_days": days}, webhook={"url": url})


async def seeded(org: Org) -> dict[Kind, JSON | None]:
    """The three objects as they were before, and what is to be there again after a rollback."""
    for item in await org.items(wanted(OLD, 300, name="Before"), ROLE):
        org.put((item.kind, item.id), item.body)
        org.states[item.kind, item.id].pop(0)
    return org.now()


async def apply(org: Org, run: Run, want: Onboarding | None = None, *, removal: bool = False) -> int:
    want = want or wanted()

    async def plan() -> Plan:
        return await (make_removal(org, want) if removal else make_plan(org, want, ROLE))

    reviewed = await plan()
    org.asked.clear()
    return await applier(org, run).apply(reviewed, ROLE, plan)


def applier(org: Org, run: Run) -> Applier:
    return Applier(org, run, settles_within_s=SETTLES_WITHIN_S)


def refused(status: int = 403) -> errors.ApiError:
    return errors.PermissionMissing("Refused", cause="because", fix="ask", status=status, correlation_id="c-1")


def failed() -> errors.ApiError:
    return errors.ServerFailure("Broken", cause="because", fix="wait", status=500, correlation_id="c-2")


def entries(run: Run, *kinds: str) -> list[Any]:
    return [entry.data for entry in run.entries() if entry.kind in kinds]


async def test_each_change_is_read_back_before_the_next(org: Org, run: Run) -> None:
    """And each read after the last write shows it."""
    assert await apply(org, run) == 3
    assert org.asked[3:] == [
        "write target", "read target", "write policy", "read policy", "write webhook", "read webhook"
    ]  # fmt: skip
    assert await apply(org, run) == 0
    assert org.writes == []


@pytest.mark.parametrize("late", [1, 3])
async def test_a_late_read_is_waited_for(org: Org, run: Run, slept: list[float], late: int) -> None:
    """Ever longer."""
    org.late = late
    await apply(org, run)
    assert org.asked[3:].count("read target") == late + 1
    assert slept == [0.1, 0.2, 0.4][:late] * 3


@pytest.mark.parametrize("late", [1, 4])
async def test_a_read_back_that_is_older_than_the_write_is_not_believed(org: Org, run: Run, late: int) -> None:
    """After a rollback an object is as before the apply, and so is a read from before the apply: it proves nothing."""
    before = await seeded(org)
    org.late, org.faults = late, {"write webhook": [refused()]}
    with pytest.raises(errors.RolledBack):
        await apply(org, run)
    undone = org.asked[len(org.asked) - org.asked[::-1].index("write target") :]
    assert undone == ["read target"] * (late + 1)
    assert org.now() == before


async def test_what_never_reads_as_it_was_written_is_rolled_back(org: Org, run: Run, slept: list[float]) -> None:
    """After the time that it may take, which the error names."""
    before = await seeded(org)
    org.late = 10_000
    with pytest.raises(errors.RolledBack) as caught:
        await apply(org, run)
    assert "target T does not read as it was written: after 8 s a read still shows something else" in caught.value.cause
    assert org.writes == ["write target"] * 2
    assert org.now() == before
    assert sum(slept) > SETTLES_WITHIN_S
    # Between reads 2 s at most; and once for as long as they may be late, since the undo failed, too.
    assert sorted(set(slept))[-2:] == [2.0, SETTLES_WITHIN_S]


async def test_what_never_reads_as_gone_is_rolled_back(org: Org, run: Run) -> None:
    """The same for what is removed."""
    before = await seeded(org)
    org.late = 10_000
    with pytest.raises(errors.RolledBack, match="webhook DataLakeCatalogSync does not read as it was written"):
        await apply(org, run, removal=True)
    assert org.writes == ["delete webhook", "write webhook"]
    assert org.now() == before


async def test_a_removal_goes_backwards_and_is_read_back_as_gone(org: Org, run: Run) -> None:
    """What refers to another one goes before it; late reads still show it."""
    await seeded(org)
    org.late = 2
    assert await apply(org, run, removal=True) == 3
    assert org.writes == ["delete webhook", "delete policy", "delete target"]
    assert org.asked[3:].count("read target") == 3
    assert set(org.now().values()) == {None}


KINDS: tuple[Kind, ...] = ("target", "policy", "webhook")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("after", ["write", "read"])
async def test_a_failure_undoes_what_was_touched_last_change_first(org: Org, run: Run, place: int, after: str) -> None:
    """The failed one, too, as it may have taken effect; the error and the ledger say what failed."""
    before = await seeded(org)
    kind = KINDS[place]
    org.faults = {f"read {kind}": [None, None, failed()]} if after == "read" else {f"write {kind}": [failed()]}
    with pytest.raises(errors.RolledBack, match=f"update {kind} .* failed; the org is as it was before") as caught:
        await apply(org, run)
    assert org.writes == [f"write {one}" for one in [*KINDS[: place + 1], *KINDS[place::-1]]]
    assert org.now() == before
    assert (caught.value.cause, caught.value.fix) == ("Broken: because", "wait")
    assert (caught.value.status, caught.value.correlation_id) == (500, "c-2")
    (begun,) = entries(run, "rollback.started")
    assert (begun["reason"], begun["place"], begun["error"]["title"]) == ("Broken", place, "Broken")
    undone = [(one["place"], one["replaced"], one["remade"]) for one in entries(run, "undo.done")]
    assert undone == [(one, False, False) for one in range(place, -1, -1)]
    assert [(one["how"], one["kept"]) for one in entries(run, "apply.finished")] == [("rolled back", "")]
    assert unfinished_apply(run.ledger, org.where) is None


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_refused_change_is_not_written_back(org: Org, run: Run, slept: list[float], place: int) -> None:
    """It is read twice, with a wait between: a try before the refused one may still be on its way."""
    before = await seeded(org)
    org.faults = {f"write {KINDS[place]}": [refused()]}
    with pytest.raises(errors.RolledBack, match="c-1"):
        await apply(org, run)
    assert org.writes == [f"write {one}" for one in [*KINDS[: place + 1], *KINDS[:place][::-1]]]
    assert org.now() == before
    undone = [(one["place"], one["replaced"]) for one in entries(run, "undo.done")]
    assert undone == [(one, False) for one in range(place, -1, -1)]
    assert slept == [SETTLES_WITHIN_S / 10]


async def test_a_refused_change_that_took_effect_late_is_undone(
    org: Org, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the first try was lost, and the second was refused."""
    before = await seeded(org)
    write = org.write

    async def lost(kind: Kind, id: str, body: JSON, credentials: Any = None, **how: Any) -> JSON:
        await write(kind, id, body, credentials, **how)
        org.late = 0
        raise refused()

    org.late = 1  # so that the first look does not see it
    monkeypatch.setattr(org, "write", lost)
    org.faults = {}
    with pytest.raises(errors.RolledBack):  # every write is answered so, also the undo
        await apply(org, run)
    assert org.writes == ["write target"] * 2
    assert org.now() == before


async def test_an_undo_that_is_refused_of_what_was_never_changed_is_done(org: Org, run: Run) -> None:
    """Whether the write took effect is not known: it is written back, that fails too, and the object is as before."""
    before = await seeded(org)
    org.faults = {"write target": [failed(), failed()]}
    with pytest.raises(errors.RolledBack):
        await apply(org, run)
    assert org.writes == ["write target", "write target"]
    assert org.now() == before


async def test_an_undo_that_fails_is_not_taken_for_done_while_reads_may_be_late(
    org: Org, run: Run, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write took effect, no read shows it for half of the time that they may be late, and it cannot be undone."""
    before = await seeded(org)
    put, read = org.put, org.read

    async def late(kind: Kind, id: str) -> JSON | None:
        return await read(kind, id) if sum(slept) > SETTLES_WITHIN_S / 2 else org.states[kind, id][0]

    async def broken(kind: Kind, id: str, body: JSON, credentials: Any = None, **how: Any) -> JSON:
        if len(org.states[kind, id]) == 1:
            put((kind, id), body)
        raise failed()

    with monkeypatch.context() as patch:
        patch.setattr(org, "read", late)
        patch.setattr(org, "write", broken)
        with pytest.raises(errors.HalfDone, match="Left to undo: undo update target"):
            await apply(org, run)
    assert org.now() != before
    await applier(org, run).rollback()
    assert org.now() == before


async def test_an_undo_that_fails_is_half_done_and_goes_on_from_there(org: Org, run: Run) -> None:
    """What is undone already is not undone again."""
    before = await seeded(org)
    org.faults = {"write webhook": [failed()], "write target": [None, failed()]}
    with pytest.raises(errors.HalfDone, match="Broken: because") as caught:
        await apply(org, run)
    assert "Left to undo: undo update target T (t-1)" in caught.value.cause
    assert (caught.value.status, caught.value.correlation_id) == (500, "c-2")
    org.asked.clear()
    assert await applier(org, run).resume() == "the rollback that had begun is finished"
    assert org.writes == ["write target"]
    assert org.now() == before


async def test_a_defect_in_an_undo_is_told_as_one_of_the_rollback(org: Org, run: Run) -> None:
    """It is half-done, and the user learns where to report it."""
    await seeded(org)
    org.faults = {"write webhook": [failed()], "write target": [None, KeyError("id")]}
    with pytest.raises(errors.HalfDone) as caught:
        await apply(org, run)
    assert caught.value.cause.startswith(errors.foreseen(KeyError("id"), "the rollback").title + ": ")


@pytest.mark.parametrize("ids_are_ours", [True, False])
@pytest.mark.parametrize("there", [True, False])
async def test_a_new_object_with_an_id_of_the_servers_is_to_be_alone_and_each_creation_is_noted(
    org: Org, run: Run, monkeypatch: pytest.MonkeyPatch, ids_are_ours: bool, there: bool
) -> None:
    """Alone with its name. The note has the place in the plan, before the id is known and after."""
    if there:
        await seeded(org)
    org.ids_are_ours = ids_are_ours
    write, alone = org.write, list[bool]()

    async def noting(kind: Kind, id: str, body: JSON, credentials: Any = None, **how: Any) -> JSON:
        alone.append(how["alone"])
        how["note"](Creation(kind, id))
        how["note"](Creation(kind, id, f"of {kind}"))
        return await write(kind, id, body, credentials)

    monkeypatch.setattr(org, "write", noting)
    await apply(org, run)
    assert alone == [not ids_are_ours and not there] * 3
    sent = [(one["place"], one["object"], one["name"]) for one in entries(run, SENT)]
    made = [(one["place"], one["object"], one["server_id"]) for one in entries(run, MADE)]
    assert sent == [(0, "target", "t-1"), (1, "policy", "p-1"), (2, "webhook", "w-1")]
    assert made == [(place, kind, f"of {kind}") for place, kind, _ in sent]


async def test_what_was_created_is_removed_again(org: Org, run: Run) -> None:
    """And read back as gone."""
    org.faults = {"write webhook": [failed()]}
    with pytest.raises(errors.RolledBack):
        await apply(org, run)
    assert org.writes[3:] == ["delete webhook", "delete policy", "delete target"]
    assert org.asked[-2:] == ["delete target", "read target"]
    assert set(org.now().values()) == {None}


@pytest.mark.parametrize("ids_are_ours", [True, False])
async def test_what_was_removed_is_made_again(org: Org, run: Run, ids_are_ours: bool) -> None:
    """Where the server gives the ids, it has a new one, which the error says."""
    before = await seeded(org)
    org.ids_are_ours = ids_are_ours
    org.faults = {"delete target": [failed()]}
    with pytest.raises(errors.RolledBack) as caught:
        await apply(org, run, removal=True)
    new = [f"{kind} {name}: made anew, it has a new one" for kind, name in (("policy", "P"), ("webhook", "DataLake"))]
    assert [words.split(":")[0] in caught.value.title for words in new] == [not ids_are_ours] * 2
    assert [one["remade"] for one in entries(run, "undo.done")] == [False, *[not ids_are_ours] * 2]
    assert org.now() == before


async def test_another_s_change_is_not_undone(org: Org, run: Run) -> None:
    """It stays until the user has seen it, and decides to write over it."""
    before = await seeded(org)
    ours, other = applier(org, run), {**(before["target"] or {}), "name": "by somebody else"}

    def meanwhile(done: int, total: int, words: str) -> None:
        if done == 2:
            org.put(("target", "t-1"), other)
            org.faults = {"write webhook": [failed()]}

    ours.tell = meanwhile
    plan = await make_plan(org, wanted(), ROLE)

    async def again() -> Plan:
        return plan

    with pytest.raises(errors.ChangedMeanwhile, match="rollback --overwrite") as caught:
        await ours.apply(plan, ROLE, again)
    assert "target T was changed by somebody else" in caught.value.cause
    assert org.now()["target"] == other
    for recover in (applier(org, run).rollback, applier(org, run).resume):
        with pytest.raises(errors.ChangedMeanwhile):
            await recover()
        assert org.now()["target"] == other
    assert await applier(org, run).rollback(overwrite=True) == "rolled back: the org is as it was before the apply"
    assert org.now() == before


async def test_what_the_server_keeps_otherwise_ends_the_apply(org: Org, run: Run, slept: list[float]) -> None:
    """At once, since the read is of the revision that was written; it is read once more, and then said."""
    before = await seeded(org)
    org.keeps = {"name": "of the server's choice"}
    with pytest.raises(errors.ServerKeptOther) as caught:
        await apply(org, run)
    assert "name: sent DataLakeCatalogSync, the server kept of the server's choice" in caught.value.cause
    assert org.asked[-2:] == ["read webhook"] * 2
    assert slept == [SETTLES_WITHIN_S / 10]
    org.keeps = {}
    assert (await applier(org, run).rollback()).startswith("rolled back")
    assert org.now() == before


async def test_a_read_that_shows_another_state_of_this_revision_is_asked_again(
    org: Org, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list in the index may be late, while the version is not."""
    read, odd = org.read, [{"name": "late"}]

    async def once(kind: Kind, id: str) -> JSON | None:
        found = await read(kind, id)
        return found | odd.pop() if found and kind == "webhook" and odd else found

    monkeypatch.setattr(org, "read", once)
    assert await apply(org, run) == 3
    assert org.asked[-3:] == ["write webhook", "read webhook", "read webhook"]


async def test_another_s_write_over_ours_is_not_taken_for_the_server_s(org: Org, run: Run) -> None:
    """A later revision with another content is theirs."""
    await seeded(org)
    write = org.write

    async def raced(kind: Kind, id: str, body: JSON, credentials: Any = None, **how: Any) -> JSON:
        answer = await write(kind, id, body, credentials, **how)
        if kind == "policy":
            org.put((kind, id), {**body, "name": "theirs"})
        return answer

    org.write = raced  # type: ignore[method-assign]
    with pytest.raises(errors.ChangedMeanwhile, match="policy P was changed by somebody else"):
        await apply(org, run)
    assert (org.now()["policy"] or {})["name"] == "theirs"


async def test_a_key_that_was_replaced_is_said_to_stay(org: Org, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old secret is known to nobody here: the target gets its old fields with the new key. One that was refused
    still has the old key, and nothing is written."""
    old, new = (
        {"access_key_id": f"AKIA{kind}".ljust(20, "X"), "secret_access_key": "x" * 40} for kind in ("OLD", "NEW")
    )
    want = onboarding({"bucket": "recordings-prod"}, target={"name": "T2"})  # type: ignore[arg-type]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", new["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", new["secret_access_key"])
    had = onboarding({"bucket": "recordings-prod"}, webhook={"url": OLD})  # type: ignore[arg-type]
    for item in await org.items(had, AwsKeys.model_validate(old)):
        org.put((item.kind, item.id), item.body)

    async def plan() -> Plan:
        return await make_plan(org, want, AwsKeys.model_validate(new))

    for fault, error, kept in (
        ("write target", refused(), False),
        ("write target", failed(), False),
        ("write webhook", refused(), True),
    ):
        org.faults, before = {fault: [error]}, org.now()
        org.asked.clear()
        with pytest.raises(errors.RolledBack) as caught:
            await applier(org, run).apply(await plan(), want.target.credentials, plan)
        assert ("but for the AWS credentials of target T" in caught.value.title) is kept
        assert org.writes.count("write target") == 1 + kept
        target, was = (org.now()["target"] or {}), (before["target"] or {})
        assert target["name"] == was["name"]
        assert (target["configuration"]["accessKeyId"] == new["access_key_id"]) is kept


async def test_a_refused_change_that_cannot_be_looked_at_is_written_back(org: Org, run: Run) -> None:
    """The read may fail, too."""
    before = await seeded(org)
    org.faults = {"write target": [refused()], "read target": [None, None, failed()]}
    with pytest.raises(errors.RolledBack, match="Refused: because"):
        await apply(org, run)
    assert org.writes == ["write target"] * 2
    assert org.now() == before


async def test_what_somebody_removed_meanwhile_is_made_again_if_the_user_says_so(org: Org, run: Run) -> None:
    """With a new id, where the server gives the ids; not without being asked."""
    before = await seeded(org)
    org.ids_are_ours = False
    ours = applier(org, run)

    def meanwhile(done: int, total: int, words: str) -> None:
        if done == 1:
            org.put(("target", "t-1"), None)
            ours.stop()

    ours.tell = meanwhile
    plan = await make_plan(org, wanted(), ROLE)

    async def again() -> Plan:
        return plan

    with pytest.raises(errors.HalfDone):
        await ours.apply(plan, ROLE, again)
    with pytest.raises(errors.ChangedMeanwhile, match="target T was deleted by somebody else"):
        await applier(org, run).rollback()
    said = await applier(org, run).rollback(overwrite=True)
    assert said == (
        "rolled back: the org is as it was before the apply, but for the id of target T: made anew, it has a new one"
    )
    assert org.now() == before


@pytest.mark.parametrize("days", [365, 400])
async def test_a_rotation_is_undone_as_far_as_it_goes(
    org: Org, run: Run, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The old secret cannot come back, which is said; the fields do. A rotation alone leaves nothing to write."""
    keys = AwsKeys.model_validate({"access_key_id": "AKIANEW".ljust(20, "X"), "secret_access_key": "x" * 40})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    facts: Any = {"bucket": "recordings-prod"}
    had = onboarding(facts, webhook={"url": OLD})
    want = onboarding(facts, target={"retention_days": days}, webhook={"url": NEW})
    for item in await org.items(had, keys):
        org.put((item.kind, item.id), item.body)
    before = org.now()

    async def plan() -> Plan:
        return await make_plan(org, want, keys, rotate=True)

    org.faults = {"write webhook": [refused()]}
    with pytest.raises(errors.RolledBack, match="but for the AWS credentials of target T"):
        await applier(org, run).apply(await plan(), want.target.credentials, plan)
    assert org.writes.count("write target") == (1 if days == 365 else 2)
    assert org.wrote_with["target"] == keys
    assert {org.wrote_with[kind] for kind in org.wrote_with if kind != "target"} <= {None}
    assert org.now() == before
    assert "AWS credentials of target T" in entries(run, "apply.finished")[0]["kept"]


async def test_a_rotation_that_may_have_been_taken_is_said_to_stay(
    org: Org, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write failed and so did the write back: the fields are as before, of the secret nobody knows."""
    keys = AwsKeys.model_validate({"access_key_id": "AKIANEW".ljust(20, "X"), "secret_access_key": "x" * 40})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    facts: Any = {"bucket": "recordings-prod"}
    had, want = onboarding(facts), onboarding(facts, target={"retention_days": 400})
    for item in await org.items(had, keys):
        org.put((item.kind, item.id), item.body)
    before = org.now()

    async def plan() -> Plan:
        return await make_plan(org, want, keys, rotate=True)

    org.faults = {"write target": [failed(), failed()]}
    with pytest.raises(errors.RolledBack, match="but for the AWS credentials of target T"):
        await applier(org, run).apply(await plan(), want.target.credentials, plan)
    assert org.now() == before


STATE, REST = FieldDifference(path="intendedState", sent=1, kept=2), FieldDifference(path="name", sent=1, kept=2)


@pytest.mark.parametrize(
    ("fields", "same", "confirmed", "as_answered", "origin"),
    [
        ([STATE], True, True, False, "others"),
        ([], True, True, False, "others"),
        ([STATE], True, False, False, "server"),
        ([STATE, REST], True, True, False, "server"),
        ([REST], True, False, False, "server"),
        ([REST], False, True, True, "server"),
        ([REST], None, False, True, "server"),
        ([REST], False, True, False, "others"),
        ([REST], False, False, False, "others"),
        ([REST], None, True, False, "others"),
        ([REST], None, False, False, "unknown"),
    ],
)
def test_whose_doing_it_is_that_a_read_differs(
    fields: list[FieldDifference], same: bool | None, confirmed: bool, as_answered: bool, origin: str
) -> None:
    """The server's, where it is of the revision that was written, or as that was answered."""
    assert origin_of(fields, same_revision=same, confirmed=confirmed, as_answered=as_answered) == origin


NEXT = {"version": 1000}
OTHER = {"name": "other"}


@pytest.mark.parametrize(
    ("answered", "shown", "error"),
    [
        ({}, {"intendedState": "ENABLED"}, errors.ChangedMeanwhile),
        (OTHER, OTHER | {"intendedState": "ENABLED"}, errors.ServerKeptOther),
        (OTHER | {"version": None}, OTHER | {"version": None}, errors.ServerKeptOther),
        (OTHER | {"version": None}, {"name": "third", "version": None}, errors.ChangedMeanwhile),
        ({"version": None}, OTHER | {"version": None}, errors.ChangedMeanwhile),
        (OTHER, {"name": "third"} | NEXT, errors.ChangedMeanwhile),
        (OTHER, OTHER | NEXT, errors.ServerKeptOther),
    ],
)
async def test_who_made_something_else_of_it(
    org: Org, run: Run, answered: JSON, shown: JSON, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the write was answered with, and what a read shows then."""
    write, read = org.write, org.read

    async def other_answer(kind: Kind, id: str, body: JSON, credentials: Any = None, **how: Any) -> JSON:
        return await write(kind, id, body, credentials, **how) | answered

    async def other_read(kind: Kind, id: str) -> JSON | None:
        found = await read(kind, id)
        return found and found | shown

    plan = await make_plan(org, wanted(), ROLE)
    monkeypatch.setattr(org, "write", other_answer)
    monkeypatch.setattr(org, "read", other_read)

    async def again() -> Plan:
        return plan

    with pytest.raises(error) as caught:
        await applier(org, run).apply(plan, ROLE, again)
    unknown = "is not known" in str(caught.value)
    assert unknown is (answered.get("version", 0) is None and "third" in shown.values())


@pytest.mark.parametrize(
    ("written", "read", "same", "older"),
    [
        ({"version": 2}, {"version": 2}, True, False),
        ({"version": 2}, {"version": 1}, False, True),
        ({"version": 2}, {"version": 3}, False, False),
        ({"version": 2}, {"version": "1"}, None, False),
        ({"version": 2}, {}, None, False),
        ({}, {"version": 2}, None, False),
        ({"version": 2}, None, None, False),
        ({"modifiedDate": "b"}, {"modifiedDate": "a"}, False, True),
        ({"version": 2, "dateModified": "b"}, {"version": "1", "dateModified": "a"}, False, True),
        ({"version": 2, "dateModified": "b"}, {"version": 2, "dateModified": "a"}, True, False),
    ],
)
def test_what_is_older_is_said_by_the_same_mark_of_both(
    written: JSON, read: JSON | None, same: bool | None, older: bool
) -> None:
    """The first that both have, of one kind; else nothing is said."""
    assert (same_revision(written, read), is_older(read, written)) == (same, older)
