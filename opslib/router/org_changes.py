"""What others changed in the org: by Genesys's own audit, and by comparing the org with its last snapshot.

The audit says who, and comes late; a comparison says what, whoever did it and whether it was audited or not. Both are
written to the ledger, each audit entry once. What a step of ours changed is in `opslib.walk.what_changed`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from opslib.errors import OpslibError
from opslib.genesys.audit_log import audit_entries, change
from opslib.genesys.backend import JSON, Backend, Kind, leaves
from opslib.genesys.client import GenesysClient
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.moment import utc_text

SNAPSHOT, CHANGE, CHECKED = "org.snapshot", "org.change", "org.looked"
_KINDS: tuple[Kind, ...] = ("target", "policy", "webhook")

# How far back the audit is read the first time.
_FIRST_PERIOD = timedelta(days=7)
# How far it is read again behind the end of the last time: how late an entry may come is not published.
_OVERLAP = timedelta(hours=1)


@dataclass
class OrgChanges:
    """What others changed in the org.

    Attributes:
        first: there was no snapshot to compare with.
        unaudited: why the org's audit was not read; empty when it was.
        failed: it should have been read.
    """

    since: datetime
    first: bool
    changes: list[JSON] = field(default_factory=list)
    unaudited: str = ""
    failed: bool = False


async def find_org_changes(client: GenesysClient, backend: Backend, run: Run, since: datetime | None) -> OrgChanges:
    """Compare with the last snapshot, read the audit, and write both to the ledger. `since` is by default a while
    before the time up to which the audit was read."""
    last = _last_snapshot(run.ledger, backend, client)
    # Older ledgers have no audited_until.
    audited = datetime.fromisoformat(last.get("audited_until") or last["at"]) if last else None
    now = client.now()  # the audit's times are the org's
    result = OrgChanges(since or (audited - _OVERLAP if audited else now - _FIRST_PERIOD), first=not last)
    at, objects = utc_text(now), await _objects(backend)
    if last:
        result.changes += [
            {"source": "comparison", "at": at, "by": f"not said; between {last['at']} and {at}", **difference}
            for difference in differences(last["objects"], objects)
        ]
    if backend.name == "platform":
        try:
            audit = [change(entry) for entry in await audit_entries(client, result.since, client.now())]
        except OpslibError as error:
            result.unaudited, result.failed, audit = f"{error.title}: {error.cause}", True, []
        known = {entry.data.get("id") for entry in run.ledger.entries(CHANGE)}
        result.changes += [{"source": "audit", **entry} for entry in audit if entry["id"] not in known]
    else:
        result.unaudited = "this API has no audit; only a comparison shows a change"
    for org_change in result.changes:
        run.append(CHANGE, org_change)
    run.append(CHECKED, {"since": result.since.isoformat(), "until": at, "unaudited": result.unaudited})
    if result.failed:
        audited_until = (audited or result.since).isoformat()
    else:  # a --since that leaves a gap does not close it
        audited_until = at if audited is None or result.since <= audited else audited.isoformat()
    where = {"where": client.base_url, "backend": backend.name}
    run.append(SNAPSHOT, {"at": at, "audited_until": audited_until, **where, "objects": objects})
    return result


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


def _last_snapshot(ledger: Ledger, backend: Backend, client: GenesysClient) -> dict[str, Any] | None:
    snapshots = (entry.data for entry in ledger.entries(SNAPSHOT))
    by_org = {(snapshot["where"], snapshot["backend"]): snapshot for snapshot in snapshots}
    return by_org.get((client.base_url, backend.name))
