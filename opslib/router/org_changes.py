"""Who changed what in the org, beside what we did: by Genesys's own audit, and by comparing what is there now with
what was there at the last look.

The audit says who, and comes late; a comparison says what, whoever did it and whether it was audited or not. Both end
as entries of the ledger, each audit entry once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from opslib.errors import OpslibError
from opslib.genesys.audits import audit_entries, change
from opslib.genesys.backend import JSON, Backend, Kind, leaves
from opslib.genesys.client import GenesysClient
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.moment import utc_now

SNAPSHOT, CHANGE, LOOKED = "org.snapshot", "org.change", "org.looked"
_KINDS: tuple[Kind, ...] = ("target", "policy", "webhook")

# How far back a first look goes.
_FIRST_LOOK = timedelta(days=7)
# How far a look goes back behind the end of the one before: how late an entry may come is not published.
_OVERLAP = timedelta(hours=1)


@dataclass
class OrgChanges:
    """What one look at the org found. `first`: there was none before to compare with. `unaudited` says why its audit
    was not read, empty when it was; `failed` whether it should have been."""

    since: datetime
    first: bool
    changes: list[JSON] = field(default_factory=list)
    unaudited: str = ""
    failed: bool = False


async def find_org_changes(client: GenesysClient, backend: Backend, run: Run, since: datetime | None) -> OrgChanges:
    """Compare, ask the audit, and note both in the ledger. `since` is by default a while before the end of what the
    audit was read for."""
    last = _last(run.ledger, backend, client)
    # A ledger of before does not say it.
    audited = datetime.fromisoformat(last.get("audited_until") or last["at"]) if last else None
    found = OrgChanges(since or (audited - _OVERLAP if audited else datetime.now(UTC) - _FIRST_LOOK), first=not last)
    at, objects = utc_now(), await _objects(backend)
    if last:
        found.changes += [
            {"source": "comparison", "at": at, "by": f"not said; between {last['at']} and {at}", **one}
            for one in differences(last["objects"], objects)
        ]
    if backend.name == "platform":
        try:
            told = [change(one) for one in await audit_entries(client, found.since, datetime.now(UTC))]
        except OpslibError as error:
            found.unaudited, found.failed, told = f"{error.title}: {error.cause}", True, []
        known = {entry.data.get("id") for entry in run.ledger.entries(CHANGE)}
        found.changes += [{"source": "audit", **one} for one in told if one["id"] not in known]
    else:
        found.unaudited = "this API has no audit; only a comparison shows a change"
    for one in found.changes:
        run.append(CHANGE, one)
    run.append(LOOKED, {"since": found.since.isoformat(), "until": at, "unaudited": found.unaudited})
    if found.failed:
        audited_until = (audited or found.since).isoformat()
    else:  # a --since that leaves a gap does not close it
        audited_until = at if audited is None or found.since <= audited else audited.isoformat()
    where = {"where": client.base_url, "backend": backend.name}
    run.append(SNAPSHOT, {"at": at, "audited_until": audited_until, **where, "objects": objects})
    return found


def differences(before: dict[str, JSON], after: dict[str, JSON]) -> Iterator[JSON]:
    """What was made, changed and removed, field by field. Both are {id: {kind, name, body}}."""
    for id in sorted(before.keys() | after.keys()):
        old, new = before.get(id), after.get(id)
        if old == new:
            continue
        was, is_now = dict(leaves((old or {}).get("body"))), dict(leaves((new or {}).get("body")))
        there: JSON = new or old or {}
        yield {
            "action": "Create" if old is None else "Delete" if new is None else "Update",
            "kind": there["kind"],
            "entity_id": id,
            "name": there["name"],
            "fields": [
                {"path": path, "before": was.get(path), "after": is_now.get(path)}
                for path in sorted(was.keys() | is_now.keys())
                if was.get(path) != is_now.get(path)
            ],
        }


async def _objects(backend: Backend) -> dict[str, JSON]:
    """Everything that could be an onboarding's, by its id."""
    return {
        str(one["id"]): {"kind": kind, "name": one.get("name"), "body": backend.comparable(one)}
        for kind in _KINDS
        for one in await backend.list(kind)
    }


def _last(ledger: Ledger, backend: Backend, client: GenesysClient) -> dict[str, Any] | None:
    """The last look at this org through this API."""
    looks = [entry.data for entry in ledger.entries(SNAPSHOT)]
    same = [one for one in looks if (one["where"], one["backend"]) == (client.base_url, backend.name)]
    return same[-1] if same else None
