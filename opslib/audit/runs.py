"""What each run in a ledger is about: its org, its target, its objects and its bucket; so what another run has to say
about it.

A target is one org's, on one backend, by its id; where Genesys chooses that, by its name, which is how opslib finds it
then. So a new name, a new bucket or a new region make no other target of it, and two orgs may use the same id. A run
that failed before the org said its id is of the org that the same target has in another run, if there is just one.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from opslib.ledger.archive import VERIFIED
from opslib.ledger.database import select
from opslib.router.journal import BUCKET_LOOKED, KINDS, STARTED
from opslib.router.org_changes import CHANGE, CHECKED, SNAPSHOT
from opslib.settings import is_loopback

Environment = Literal["sandbox", "live", "not known"]
Key = tuple[str, str]

_PARTS = ("target", "policy", "webhook")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ENDS = ("step.done", "step.failed", "step.unknown", "step.cancelled", "step.crashed")
_OF_THE_ORG = (SNAPSHOT, CHANGE, CHECKED)
_KINDS = ("run.started", "step.started", *_ENDS, BUCKET_LOOKED, VERIFIED, *_OF_THE_ORG, *KINDS)
# Of each entry only what says where it belongs: some are long.
_TOLD = f"""SELECT run_id, seq, kind, at, CASE kind
WHEN 'run.started' THEN body
WHEN 'step.started' THEN json_object('step', json_extract(body, '$.step'), 'org', json_extract(body, '$.given.org'),
  'onboarding', json_extract(body, '$.given.onboarding'))
WHEN 'step.done' THEN json_object('bucket', json_extract(body, '$.data.bucket'), 'org_id',
  json_extract(body, '$.data.org_id'), 'api_url', json_extract(body, '$.data.api_url'))
WHEN '{STARTED}' THEN json_object('changes', (SELECT json_group_array(json_array(json_extract(value, '$.kind'),
  json_extract(value, '$.id'))) FROM json_each(body, '$.plan.changes')))
ELSE json_object('bucket', coalesce(json_extract(body, '$.data.bucket'), json_extract(body, '$.bucket')),
  'apply', json_extract(body, '$.apply')) END
FROM entries WHERE +seq <= ? AND kind IN ({", ".join(f"'{kind}'" for kind in _KINDS)}) ORDER BY seq"""  # noqa: S608 (constants of this package)


class Target(NamedTuple):
    """What makes a target another one. `org` is the org's id, else the address of its API; `id` may be a name."""

    environment: Environment
    org: str
    backend: str
    id: str


@dataclass
class _Run:
    """What the entries of one run say it is about. `acted`: a step of it came to an end, or is not known to have."""

    id: str
    seq: int
    at: str
    command: str
    backend: str = "storage-targets"
    api: str = ""
    on_sandbox: bool | None = None
    org_id: str = ""
    target: Key | None = None
    name: str = ""
    applied: bool = False
    acted: bool = False
    of_the_org: bool = False
    keys: set[Key] = field(default_factory=set)
    buckets: set[str] = field(default_factory=set)

    @property
    def environment(self) -> Environment:
        host = urlsplit(self.api).hostname
        known = is_loopback(host) if host else self.on_sandbox
        return "not known" if known is None else "sandbox" if known else "live"

    def take_in(self, kind: str, told: dict[str, Any]) -> None:
        if kind == "run.started":
            self.backend, self.on_sandbox = str(told.get("backend") or self.backend), told.get("sandbox")
        if told.get("bucket"):
            self.buckets.add(str(told["bucket"]))
        if kind == "step.started":
            self._wanted(told)
        self.acted |= kind in _ENDS
        self.of_the_org |= kind in _OF_THE_ORG
        self.api = str(told.get("api_url") or self.api)
        self.org_id = str(told.get("org_id") or self.org_id).lower()

    def _wanted(self, told: dict[str, Any]) -> None:
        org, onboarding = told["org"] or {}, told["onboarding"] or {}
        self.api = self.api or str(org.get("api_url") or "")
        for id in (onboarding.get("org_id"), org.get("org_id")):
            if not self.org_id and _ID.fullmatch(str(id)):
                self.org_id = str(id).lower()
        parts = {kind: onboarding.get(kind) or {} for kind in _PARTS}
        named = {kind: str(part.get("id") or part.get("name") or "") for kind, part in parts.items()}
        self.keys |= {(kind, id) for kind, id in named.items() if id}
        if bucket := parts["target"].get("bucket"):
            self.buckets.add(str(bucket))
        # As `Facts.given` has it: what was last applied, else what was last asked for.
        if named["target"] and (told["step"] == "apply" or not self.applied):
            self.applied |= told["step"] == "apply"
            self.backend = str(onboarding.get("backend") or self.backend)
            self.target, self.name = ("target", named["target"]), str(parts["target"].get("name") or "")


class Scope(NamedTuple):
    """The runs that have something to say about one run: `org` of its org and objects, `bucket` of its bucket."""

    org: frozenset[str]
    bucket: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        return self.org | self.bucket


class Runs:
    """What the runs of a ledger are about, up to an entry. Holds a few names for each of them, and no entry."""

    def __init__(self, path: Path, last_seq: int) -> None:
        self._runs = _read(select(path, _TOLD, (last_seq,)))
        self._resolve()
        self._by_key: dict[tuple[str, Key], list[str]] = defaultdict(list)
        self._by_bucket: dict[str, list[_Run]] = defaultdict(list)
        self._of_any: dict[str, list[str]] = defaultdict(list)
        for run in self._runs.values():
            for key in run.keys:
                self._by_key[run.org_id, key].append(run.id)
            for bucket in run.buckets:
                self._by_bucket[bucket].append(run)
            if run.of_the_org or not (run.keys or run.buckets):
                self._of_any[run.org_id].append(run.id)

    def target(self, run_id: str) -> Target | None:
        """The target that a run is of; None where the ledger does not say, as older ones do not."""
        run = self._runs.get(run_id)
        if run is None or run.target is None:
            return None
        return Target(run.environment, run.org_id or urlsplit(run.api).netloc, run.backend, run.target[1])

    def name(self, run_id: str) -> str:
        """What the run called its target."""
        return self._runs[run_id].name

    def are_of_one_target(self, run_id: str, other: str) -> bool:
        """Whether two runs may be compared. Where the ledger names no target for either, they are of one org."""
        one, two = self.target(run_id), self.target(other)
        orgs = {self._runs[id].org_id for id in (run_id, other) if id in self._runs} - {""}
        return one == two and (one is not None or len(orgs) < 2)

    def walks(self) -> Iterator[tuple[str, str]]:
        """Each walk that did something, oldest first, and when it began (UTC)."""
        return ((run.id, run.at) for run in self._runs.values() if run.command == "walk" and run.acted)

    def walks_before(self, run_id: str) -> list[str]:
        """Those of the same target that began before a run did, oldest first."""
        first = self._runs[run_id].seq
        same = (id for id, _ in self.walks() if self._runs[id].seq < first and self.are_of_one_target(run_id, id))
        return list(same)

    def scope(self, run_id: str) -> Scope:
        """Whose entries count for a run: of its org, those about its objects, or about the org as a whole; of any org,
        those about its bucket."""
        run = self._runs.get(run_id)
        if run is None:
            return Scope(frozenset([run_id]), frozenset([run_id]))
        own, places = {run_id}, {run.environment, "not known"}
        at_it = (one for name in run.buckets for one in self._by_bucket[name])
        bucket = own.union(one.id for one in at_it if run.environment == "not known" or one.environment in places)
        if not run.keys:
            others = [one.id for one in self._runs.values() if not run.org_id or one.org_id in ("", run.org_id)]
            return Scope(frozenset([*own, *others]), frozenset([*bucket, *others]))
        of_org = own.union(*(self._of_any[org] + self._of_keys(org, run) for org in {run.org_id, ""}))
        return Scope(frozenset(of_org), frozenset(bucket))

    def _of_keys(self, org: str, run: _Run) -> list[str]:
        return [id for key in run.keys for id in self._by_key[org, key]]

    def _resolve(self) -> None:
        """Give each run without an org's id that of the same target at the same address, if there is only one."""
        known: dict[tuple[str, Key | None], set[str]] = defaultdict(set)
        for run in self._runs.values():
            known[run.api, run.target].add(run.org_id)
        for run in self._runs.values():
            ids = known[run.api, run.target] - {""}
            if run.target and not run.org_id and len(ids) == 1:
                (run.org_id,) = ids


def _read(rows: Iterable[tuple[Any, ...]]) -> dict[str, _Run]:
    runs: dict[str, _Run] = {}
    changed: dict[str, set[Key]] = {}  # by each apply; another run may finish or undo it
    for run_id, seq, kind, at, text in rows:
        told = json.loads(text)
        if kind == "run.started" and run_id not in runs:
            runs[run_id] = _Run(run_id, seq, at, str(told.get("command", "")))
        if run_id in runs:
            runs[run_id].take_in(kind, told)
            if kind == STARTED:
                changed[str(seq)] = {(str(of), str(id)) for of, id in told["changes"]}
            runs[run_id].keys |= changed.get(str(seq) if kind == STARTED else str(told.get("apply")), set())
    return runs
