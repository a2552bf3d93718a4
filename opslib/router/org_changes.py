"""What others changed in the org: by Genesys's own audit, and by comparing the org with its last snapshot.

The audit says who, and comes late; a comparison says what, whoever did it and whether it was audited or not. Both are
written to the ledger, each audit entry once. What a step of ours changed is in `opslib.walk.what_changed`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opslib.errors import OpslibError
from opslib.genesys.audit_log import audit_entries, change
from opslib.genesys.backend import JSON, Backend, Kind, leaves
from opslib.genesys.client import GenesysClient
from opslib.ledger.chain import Entry
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.moment import utc_text
from opslib.router.own_work import OwnWork, Write

SNAPSHOT, CHANGE, CHECKED = "org.snapshot", "org.change", "org.looked"
_KINDS: tuple[Kind, ...] = ("target", "policy", "webhook")

# How far back the audit is read the first time.
_FIRST_PERIOD = timedelta(days=7)
# How far back it is read from then on: a time in the ledger may come from a wrong clock. 30 days are one query.
_LONGEST_PERIOD = timedelta(days=30)
# How far it is read again behind the end of the last time: how late an entry may come is not published.
_OVERLAP = timedelta(hours=1)


@dataclass
class OrgChanges:
    """What others changed in the org.

    Attributes:
        changes: what others did, as far as it is known who it was.
        own: what this ledger's runs did, by the org's audit; each with its `run`.
        own_runs: the runs that wrote to the org since the last look.
        first: there was no snapshot to compare with.
        unaudited: why the org's audit was not read; empty when it was.
        failed: it should have been read.
        left_out: which time before `since` was not asked for, and why; empty when the looks follow on each other.
    """

    since: datetime
    first: bool
    changes: list[JSON] = field(default_factory=list)
    own: list[JSON] = field(default_factory=list)
    own_runs: list[str] = field(default_factory=list)
    unaudited: str = ""
    failed: bool = False
    left_out: str = ""


async def find_org_changes(
    client: GenesysClient, backend: Backend, run: Run, since: datetime | None, *, client_id: str = ""
) -> OrgChanges:
    """Compare with the last snapshot, read the audit, and write both to the ledger. What opslib itself wrote, as the
    ledger has it, is not somebody's change; `client_id` is its OAuth client.

    `since` is by default a while before the time up to which the audit was read, at most 30 days ago.
    """
    snapshot = _last_snapshot(run.ledger, backend, client)
    last = snapshot.data if snapshot else None
    work = OwnWork(run.ledger, client.base_url, backend.name)
    # Older ledgers have no audited_until.
    audited = datetime.fromisoformat(last.get("audited_until") or last["at"]) if last else None
    now = client.now()  # the audit's times are the org's
    left_out = "" if since or not audited else _left_out(audited, now)
    if left_out:
        audited = now - _LONGEST_PERIOD + _OVERLAP
    start = since or (audited - _OVERLAP if audited else now - _FIRST_PERIOD)
    result = OrgChanges(start, first=not last, left_out=left_out if backend.name == "platform" else "")
    at, objects = utc_text(now), await _objects(backend)
    if snapshot and last:
        writes = work.since(snapshot.seq)
        result.own_runs = list(dict.fromkeys(write.run_id for write in writes))
        result.changes += [
            {"source": "comparison", "at": at, "by": f"not said; between {last['at']} and {at}", **difference}
            for difference in _by_others(last["objects"], writes, objects, backend)
        ]
    if backend.name == "platform":
        try:
            audit = [change(entry) for entry in await audit_entries(client, result.since, client.now())]
        except OpslibError as error:
            result.unaudited, result.failed, audit = f"{error.title}: {error.cause}", True, []
        known = {entry.data.get("id") for entry in run.ledger.proved_entries(CHANGE)}
        skew_s = client.clock_skew_s or 0.0
        for entry in audit:
            if entry["id"] not in known:
                ours = work.run_of(entry, client_id, skew_s)
                (result.own if ours else result.changes).append(
                    {"source": "audit", **entry, **({"run": ours} if ours else {})}
                )
    else:
        result.unaudited = "this API has no audit; only a comparison shows a change"
    for org_change in (*result.changes, *result.own):
        run.append(CHANGE, org_change)
    looked = {"since": result.since.isoformat(), "until": at, "unaudited": result.unaudited}
    run.append(CHECKED, {**looked, "left_out": result.left_out})
    if result.failed:
        audited_until = (audited or result.since).isoformat()
    else:  # a --since that leaves a gap does not close it
        audited_until = at if audited is None or result.since <= audited else audited.isoformat()
    where = {"where": client.base_url, "backend": backend.name}
    run.append(SNAPSHOT, {"at": at, "audited_until": audited_until, **where, "objects": objects})
    return result


def _left_out(audited: datetime, now: datetime) -> str:
    """Why the audit is not read from there on; empty when it is. Neither time is proved: each is some clock's."""
    said = f"the audit was last read up to {audited.isoformat(timespec='seconds')}, as the ledger says"
    if audited - now > _OVERLAP:
        return f"{said}, which is later than now: a clock is or was wrong. Only the last 30 days were asked for"
    if now - audited > _LONGEST_PERIOD - _OVERLAP:
        return f"{said}. Only the last 30 days were asked for: run `opslib changes --since` for the time before"
    return ""


def _by_others(
    before: dict[str, JSON], writes: Sequence[Write], after: dict[str, JSON], backend: Backend
) -> Iterator[JSON]:
    """The differences that our writes do not explain: what was otherwise when we came to write, and what is now."""
    expected = dict(before)
    for write in writes:
        for body, take in ((write.before, False), (write.after, True)):
            state = dict(expected)
            state.pop(write.id, None)
            if body is not None:
                state[write.id] = {"kind": write.kind, "name": body.get("name"), "body": backend.comparable(body)}
            if not take and write.before is not None:
                yield from differences(expected, state)
            expected = state
    yield from differences(expected, after)


def differences(before: dict[str, JSON], after: dict[str, JSON]) -> Iterator[JSON]:
    """What was created, changed and removed, field by field. Both are {id: {kind, name, body}}."""
    for id in sorted(before.keys() | after.keys()):
        old, new = before.get(id), after.get(id)
        if old == new:
            continue
        before_fields, after_fields = (dict(leaves((entry or {}).get("body"))) for entry in (old, new))
        known: JSON = new or old or {}
        yield {
            "action": "Create" if old is None else "Delete" if new is None else "Update",
            "kind": known["kind"],
            "entity_id": id,
            "name": known["name"],
            "fields": [
                {"path": path, "before": before_fields.get(path), "after": after_fields.get(path)}
                for path in sorted(before_fields.keys() | after_fields.keys())
                if before_fields.get(path) != after_fields.get(path)
            ],
        }


async def _objects(backend: Backend) -> dict[str, JSON]:
    """Everything that could belong to an onboarding, by its id."""
    return {
        str(body["id"]): {"kind": kind, "name": body.get("name"), "body": backend.comparable(body)}
        for kind in _KINDS
        for body in await backend.list(kind)
    }


def _last_snapshot(ledger: Ledger, backend: Backend, client: GenesysClient) -> Entry | None:
    by_org = {(entry.data["where"], entry.data["backend"]): entry for entry in ledger.proved_entries(SNAPSHOT)}
    return by_org.get((client.base_url, backend.name))
