"""Is it still so? What became of the objects that a run registered, by everything that the ledger knows.

A value that was changed outside and keeps the rule is WARN; one that breaks it is FAIL. What breaks the rule: an object
that is gone or switched off, another bucket or region, a recording type that is left out, and fewer days than both the
rule and the approval say. A change that this tool made breaks the rule just as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from opslib.audit.age import too_old
from opslib.audit.facts import Facts, once
from opslib.audit.looks import judging
from opslib.audit.reads import Key, Read, Registered, later, registered, where
from opslib.audit.rule import Rule, days_words, rule_of
from opslib.genesys.backend import JSON, leaves
from opslib.ledger.chain import Entry
from opslib.router.journal import Progress
from opslib.router.org_changes import CHANGE
from opslib.router.render import show
from opslib.verdict import Verdict

_SWITCHES = {"enabled": True, "intendedState": "ENABLED"}
_DAYS = ("retentionPeriodDays", "deleteRetention.days")
# Where recordings go: the bucket by itself, and the policy by the target that it names.
_PLACES = ("configuration.bucket", "configuration.region", "storageTargetId", "integrationExport.integration")


class Since(NamedTuple):
    """The verdict, its reason, the entries it rests on, and each value that is otherwise now. `stale`: what was read is
    too old to decide."""

    word: Verdict
    why: str
    entries: list[int]
    values: "Sequence[Value]" = ()
    stale: bool = False


@dataclass(frozen=True)
class Value:
    """One value that is not as it was registered. `breaks` says how that breaks the rule; empty when it does not."""

    key: Key
    name: str
    path: str
    then: Any
    now: Any
    entry: int
    breaks: str
    ours: bool

    @property
    def controls(self) -> Sequence[str]:
        """The ids of the controls of the bucket whose answer it overtakes."""
        if not self.breaks:
            return ()
        if self.path.endswith(_DAYS):
            return ("retention", "minimum") if self.key[0] == "target" else ("retention",)
        return ("storage",) if any(place in self.path for place in _PLACES) else ()

    @property
    def words(self) -> str:
        what = f"{self.key[0]} {self.name}"
        became = f"{self.path}: {show(self.then)} → {show(self.now)}" if self.path else self.breaks
        return f"{what}: {became}" + (f" ({self.breaks})" if self.path and self.breaks else "")


@once
def since_then(facts: Facts) -> Since:
    """What later reads, changes and applies say of the objects that the run registered."""
    objects = registered(facts)
    reads = later(facts, objects)
    values = list(_values(facts, objects, reads))
    outside = _outside(facts, objects)
    broken = [value for value in values if value.breaks]
    entries = sorted({value.entry for value in values} | {entry.seq for entry in outside} | {r.seq for r in reads[-1:]})
    if broken:
        return Since("FAIL", _sentence(facts, broken, "it breaks the rule"), entries, values)
    if unread := _unread(facts, reads):
        return Since("UNKNOWN", f"it could not be read again: {unread[1]}", [*entries, unread[0]], values)
    if begun := _left_half_done(facts, objects, reads):
        why = f"the apply that entry {begun.id} begins was left half-done, and nobody has read the objects since"
        return Since("UNKNOWN", why, [*entries, begun.last_seq], values)
    changed, unfit = [value for value in values if not value.ours], _unfit_meanwhile(facts, objects)
    if changed or outside or unfit:
        said = [_sentence(facts, changed, "the rule still holds")] if changed else []
        said += [f"{'; '.join(map(_said, outside))}; opslib did not make it"] if outside else []
        said += (
            [f"bucket {facts.looks[-1].bucket} is fit again, and was not: {'; '.join(unfit.values())}"] if unfit else []
        )
        return Since("WARN", "; ".join(said), sorted({*entries, *unfit}), values)
    if not reads:
        return Since("not_checked", _NOT_READ, [])
    if stale := too_old(facts, reads[-1].at):
        return Since("UNKNOWN", f"the last read is stale: {stale}", entries, stale=True)
    return Since("PASS", _as_it_was(facts, values, reads[-1]), entries, values)


_NOT_READ = "nobody has looked since the change; “opslib audit --recheck” does"


def _sentence(facts: Facts, values: Sequence[Value], then: str) -> str:
    by = _by_us(facts) if all(value.ours for value in values) else "changed outside opslib"
    return f"{by}, and {then}: " + "; ".join(value.words for value in values)


def _by_us(facts: Facts) -> str:
    """Whether it was an undo of this run, and who agreed to that."""
    own = {int(apply.id) for apply in facts.applies}
    undos = [one for one in facts.all_applies if one.ended == "done" and one.plan.undoes]
    for undo in reversed(undos):
        if undo.plan.undoes and undo.plan.undoes.entry in own:
            given = facts.approvals(undo)[-1:]
            agreed = [f", approved in entry {entry.seq} by {facts.actor(entry)}" for entry in given]
            return f"undone by opslib in run {undo.run_id}{''.join(agreed) or ', without an approval'}"
    return "changed by opslib"


def _as_it_was(facts: Facts, values: Sequence[Value], read: Read) -> str:
    by_us = f"; {_by_us(facts)} since: {'; '.join(value.words for value in values)}" if values else ""
    return f"read again {read.at}, entry {read.seq}: as registered{by_us}"


def _said(entry: Entry) -> str:
    data = entry.data
    return f"{data['action']} {data['kind']} {data['name']} by {data['by']} at {data['at']}, as the org's audit says"


def _values(facts: Facts, objects: dict[Key, Registered], reads: Sequence[Read]) -> Iterator[Value]:
    """Each object by its last read; what was otherwise in between and is back again, too, unless this tool did it."""
    rule, bucket = rule_of(facts), (facts.given.get("onboarding") or {}).get("target", {}).get("bucket")
    for key, one in objects.items():
        own = [read for read in reads if key in read.found]
        last = own[-1:]
        for value in _differences(key, one, last, rule, bucket):
            made = next((read for read in own if read.ours and _at(read.found[key], value.path) == value.now), None)
            yield value if made is None else _made_by_us(value, made)
        if last and last[0].found[key] == one.body:
            yield from _passing(key, one, own)


def _made_by_us(value: Value, read: Read) -> Value:
    return Value(value.key, value.name, value.path, value.then, value.now, read.seq, value.breaks, ours=True)


def _passing(key: Key, one: Registered, reads: Sequence[Read]) -> Iterator[Value]:
    """What a read showed that was not as registered, though the last one is."""
    for read in reads:
        if not read.ours and read.found[key] != one.body and not any(r.ours for r in reads):
            yield Value(
                key, one.name, "was otherwise", "as registered", "as registered again", read.seq, "", ours=False
            )
            return


def _differences(
    key: Key, one: Registered, last: Sequence[Read], rule: Rule | None, bucket: str | None
) -> Iterator[Value]:
    for read in last:
        found = read.found[key]
        if found is None and one.body is not None:
            yield Value(key, one.name, "", "there", "gone", read.seq, "it is gone", ours=False)
        elif found is not None and one.body is None:
            yield Value(key, one.name, "", "gone", "there", read.seq, "it is there again", ours=False)
        elif found is not None and one.body is not None:
            for path, then, now in _changed(one.body, found):
                yield Value(
                    key, one.name, path, then, now, read.seq, _breaks(path, then, now, rule, bucket), ours=False
                )


def _changed(then: JSON, now: JSON) -> Iterator[tuple[str, Any, Any]]:
    before, after = dict(leaves(then)), dict(leaves(now))
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield path, before.get(path), after.get(path)


def _at(body: JSON | None, path: str) -> Any:
    if not path:
        return "gone" if body is None else "there"
    return dict(leaves(body)).get(path)


def _breaks(path: str, then: Any, now: Any, rule: Rule | None, bucket: str | None) -> str:
    """How a value that became another one breaks the rule; empty when it does not."""
    name = path.rsplit(".", 1)[-1]
    if name in _SWITCHES and then == _SWITCHES[name]:
        return "it is switched off"
    if path.endswith(_DAYS):
        return _too_few_days(then, now, rule)
    if any(place in path for place in _PLACES) or (bucket and then == bucket):
        return "recordings go elsewhere"
    if path == "recordingTypes" and not set(then or ()) <= set(now or ()):
        return "recordings of a type are left out"
    return ""


def _too_few_days(then: Any, now: Any, rule: Rule | None) -> str:
    """Fewer than what was approved, and than the rule asks for: what was approved below the rule is an exception."""
    asked = [days for days in (then, rule.days if rule else None) if isinstance(days, int)]
    if now is None or (asked and now < min(asked)):
        return f"fewer than {days_words(min(asked))}" if asked else "no retention is set"
    if rule and rule.most is not None and now > rule.most:
        return f"more than the rule's {days_words(rule.most)}"
    return ""


def _left_half_done(facts: Facts, objects: dict[Key, Registered], reads: Sequence[Read]) -> Progress | None:
    """A later apply of this tool to the same objects that has no end, if no read came after it."""
    since = max((one.seq for one in objects.values()), default=facts.last_seq)
    unfinished = [
        apply
        for apply in facts.all_applies
        if not apply.ended and apply.plan.where == where(facts) and int(apply.id) > since
        if any((apply.plan.changes[place].kind, apply.plan.changes[place].id) in objects for place in apply.intended)
    ]
    return next((apply for apply in unfinished if not any(read.seq > apply.last_seq for read in reads)), None)


def _unfit_meanwhile(facts: Facts, objects: dict[Key, Registered]) -> dict[int, str]:
    """What a later look found wrong with the bucket that is right again now, by entry."""
    since, judged = (
        max((one.seq for one in objects.values()), default=facts.last_seq),
        judging(facts.looks, facts.wanted),
    )
    right = {row["check"] for row in facts.findings() if row["verdict"] == "PASS"}
    wrong: dict[int, str] = {}
    for look in facts.looks:
        if judged and look.report and look.seq > since and look.holds_to_the_same(judged):
            titles = [
                row["title"] for row in look.report["findings"] if row["verdict"] == "FAIL" and row["check"] in right
            ]
            wrong |= {look.seq: f"{', '.join(titles)} (failed in entry {look.seq})"} if titles else {}
    return wrong


def _outside(facts: Facts, objects: dict[Key, Registered]) -> list[Entry]:
    """What the org's own audit says that others did to these objects after they were registered."""
    client, elsewhere = _client(facts), _of_other_orgs(facts)
    return [
        entry
        for entry in facts.everywhere(CHANGE)
        if entry.data["source"] == "audit" and entry.data.get("client_id") != client and entry.run_id not in elsewhere
        for key, one in objects.items()
        if entry.data.get("entity_id") in (key[1], one.server_id)
        or (entry.data["name"] == one.name and not one.server_id)
        if entry.seq > one.seq and datetime.fromisoformat(entry.data["at"]) > datetime.fromisoformat(one.at)
    ]


def _of_other_orgs(facts: Facts) -> set[str]:
    """The runs that were connected to another org."""
    ends = [(entry.run_id, entry.data) for entry in facts.everywhere("step.done") if entry.data["step"] == "connect"]
    return {run_id for run_id, data in ends if (data.get("data") or {}).get("api_url") != where(facts)}


def _client(facts: Facts) -> str:
    doctor = facts.connected().get("doctor") or {}
    return str((doctor.get("client") or {}).get("id", ""))


def _unread(facts: Facts, reads: Sequence[Read]) -> tuple[int, str] | None:
    """The newest try to read the same objects again that failed, if no read came after it."""
    given: dict[str, JSON] = {}
    tries = {entry.run_id for entry in facts.everywhere("run.started") if entry.data["command"] in _READERS}
    failed = None
    for entry in facts.everywhere("step.started", "step.failed"):
        if entry.kind == "step.started":
            given[entry.run_id] = entry.data.get("given") or {}
            continue
        asked = entry.run_id in tries and entry.data["step"] in ("connect", "read_org")
        if asked and entry.seq > facts.started.seq and _is_ours(facts, given.get(entry.run_id, {})):
            failed = (entry.seq, f"{entry.data['summary']}, entry {entry.seq}")
    return failed if failed and not any(read.seq > failed[0] for read in reads) else None


_READERS = ("recheck", "changes")


def _is_ours(facts: Facts, given: JSON) -> bool:
    target = (given.get("onboarding") or {}).get("target") or {}
    own = (facts.given.get("onboarding") or {}).get("target") or {}
    return bool(where(facts)) and (target.get("id"), target.get("name")) == (own.get("id"), own.get("name"))
