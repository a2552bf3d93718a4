"""Ledgers as a walk would write them, made step by step."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opslib.credentials import KeyReference
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger, Run
from opslib.ledger.moment import parse_moment
from opslib.ledger.signing import Signer
from opslib.router.approval import Org, PlanFile, Planned, approve
from opslib.router.journal import Progress, started
from opslib.router.plan import Change, Plan

STEPS = ["connect", "validate_bucket", "plan", "approve", "apply", "see_event"]

# Each check once, as the baseline profile has them.
CHECKS = [
    "reachable", "owner", "public-access-block", "policy-not-public", "tls-only", "no-public-acl", "acls-off",
    "cross-account", "encryption", "kms-key", "retention", "policy-within-target", "versioning", "object-lock",
    "writer", "access-logging",
]  # fmt: skip


def finding(check: str, verdict: str = "PASS", **changes: Any) -> dict[str, Any]:
    """A finding, as the ledger keeps it."""
    call = {"call": "HeadBucket", "at": "2026-11-24T08:00:00.000Z", "status": 200, "request_id": "R1", "answer": None}
    return {
        "check": check, "title": f"title of {check}", "severity": "high", "verdict": verdict, "cause": f"why {check}",
        "risk": "risk", "fix": "fix", "cli": "", "terraform": "", "source": "source", "action": "", "evidence": [call],
        **changes,
    }  # fmt: skip


def bucket_report(**verdicts: str) -> dict[str, Any]:
    """A report on a bucket: every check PASS, but for those named (`tls_only="FAIL"`); "absent" leaves one out."""
    words = {name.replace("_", "-"): word for name, word in verdicts.items()}
    findings = [finding(name, words.get(name, "PASS")) for name in CHECKS if words.get(name) != "absent"]
    counts = {word: sum(one["verdict"] == word for one in findings) for word in {one["verdict"] for one in findings}}
    return {
        "bucket": "b", "region": "us-east-1", "prefix": "", "profile": "baseline", "title": "Good practice",
        "note": "No law.", "as_of": "2026-11-23", "retention_days": 365,
        "at": "2026-11-24T08:00:00.000Z", "verdict": "PASS", "counts": counts,
        "findings": [one for one in findings if one["verdict"] != "not_checked"],
        "not_checked": [one for one in findings if one["verdict"] == "not_checked"],
        "clocks": {"policy_days": 365, "target_days": 365, "lock": None, "losses": [], "early": [], "removed": None},
    }  # fmt: skip


def step(run: Run, name: str, state: str, data: dict[str, Any] | None = None) -> int:
    """The end of a step; returns its number."""
    error = {"title": "t", "cause": "c", "correlation_id": "id-1"} if state == "failed" else None
    found = bucket_report() if data is None and name == "validate_bucket" and state == "done" else data
    body = {"step": name, "summary": f"{name} {state}", "error": error, "data": found or {}}
    return run.append(f"step.{state}", body).seq


def walk(run: Run, **ends: str) -> None:
    """All steps done, but for those named: `apply="failed"`."""
    for name in STEPS:
        step(run, name, ends.get(name, "done"))


def call(run: Run, number: int, outcome: str = "success", operation: str = "read_target", method: str = "GET") -> None:
    """One operation of one attempt that took `number` ms."""
    status = {"success": 200, "redirect": 302, "not_found": 404, "server_error": 500}[outcome]
    attempt = run.append(
        "sample",
        {
            "operation": operation, "step": "plan", "method": method, "endpoint": "/x", "attempt": 1, "status": status,
            "outcome": outcome, "latency_s": number / 1000, "started_at": "2026-11-24T08:00:00.000Z",
            "correlation_id": f"c-{number}",
        },
    )  # fmt: skip
    failed = outcome in ("redirect", "server_error")
    ended = {"outcome": "failure" if failed else "success", "error": "ServerError" if failed else None}
    took = {
        "attempts": 1,
        "entries": [attempt.seq],
        "started_at": "2026-11-24T08:00:00.000Z",
        "duration_s": number / 1000,
    }
    run.append("operation", {"operation": operation, "step": "plan", **took, **ended})


def rows(home: Path, query: str, *parameters: object) -> list[Any]:
    """An SQL query of the test's own."""
    with closing(sqlite3.connect(home / FILE_NAME)) as db:
        return db.execute(query, parameters).fetchall()


# One onboarding, as a walk of this release writes it.

WHERE = "https://api.mypurecloud.de"
PROFILE = {"min_days": 1827, "max_days": None, "playable_days": None, "source": "Article 16(7)"}


def onboarding(days: int = 1827, **target: Any) -> dict[str, Any]:
    """The choices of a user, with target T, policy P and webhook W in bucket b."""
    return {
        "target": {"id": "t-1", "name": "T", "bucket": "b", "retention_days": days, **target},
        "policy": {"id": "p-1", "name": "P", "retention_days": days},
        "webhook": {"id": "w-1", "name": "W"},
        "profile": "mifid-ii",
    }


def bodies(days: int = 1827) -> dict[str, dict[str, Any]]:
    """The three objects, as they are sent."""
    return {
        "target": {
            "name": "T", "configuration": {"bucket": "b", "region": "us-east-1"}, "retentionPeriodDays": days,
            "enabled": True,
        },
        "policy": {
            "name": "P", "recordingTypes": ["voice", "chat"], "storageTargetId": "t-1", "retentionPeriodDays": days,
            "enabled": True,
        },
        "webhook": {"name": "W", "targetUrl": "https://lake.example.com", "enabled": True},
    }  # fmt: skip


IDS = {"target": "t-1", "policy": "p-1", "webhook": "w-1"}


def strict_report(**verdicts: str) -> dict[str, Any]:
    """A report under mifid-ii, 1827 days, that also has the check of the minimum."""
    words = dict(verdicts)
    minimum, at = words.pop("retention_bounds", "PASS"), words.pop("at", "2026-11-24T08:00:00.000Z")
    report = bucket_report(**words) | {"at": at} | {"profile": "mifid-ii", "retention_days": 1827, "rule": PROFILE}
    report["findings"].append(finding("retention-bounds", minimum))
    return report


class Story:
    """A ledger that is told step by step; what happens later is told in other runs."""

    def __init__(self, home: Path, command: str = "walk") -> None:
        self.home, self.ledger = home, Ledger(home)
        self.run = self.ledger.start_run(command, backend="storage-targets")
        self.given: dict[str, Any] = {
            "org": {"api_url": WHERE, "region": None, "org_id": ""}, "onboarding": onboarding(), "removal": False,
        }  # fmt: skip

    def again(self, command: str = "walk") -> "Story":
        """Another run, in the same ledger."""
        self.run = self.ledger.start_run(command, backend="storage-targets")
        return self

    def begin(self, name: str) -> None:
        self.run.append("step.started", {"step": name, "input_hash": "", "given": self.given})

    def end(self, name: str, state: str = "done", data: dict[str, Any] | None = None, error: str = "") -> None:
        failure = {"error": error, "title": error, "cause": "c", "correlation_id": None} if state == "failed" else None
        body = {"step": name, "summary": f"{name} {state}", "error": failure, "data": data or {}}
        self.run.append(f"step.{state}", body)

    def step(self, name: str, state: str = "done", data: dict[str, Any] | None = None, error: str = "") -> None:
        self.begin(name)
        self.end(name, state, data, error)

    def connect(self, skew_s: float | None = 0) -> None:
        doctor = {"clock_skew_s": skew_s, "client": {"id": "c-1", "name": "opslib"}}
        self.step("connect", data={"api_url": WHERE, "org_id": "o-1", "doctor": doctor})

    def look(self, report: dict[str, Any] | None = None) -> None:
        report = report or strict_report(at=self.now())
        bad = any(one["verdict"] == "FAIL" for one in report["findings"])
        self.step("validate_bucket", "failed" if bad else "done", report, "BucketUnfit")

    def plan(self, plan: Plan | None = None) -> Plan:
        """Three objects to create, unless another plan is given."""
        made = plan or plan_of()
        self.begin("plan")
        self.run.append("plan.made", {"plan": made.model_dump(mode="json")})
        self.end("plan", data=made.as_json())
        return made

    def approve(
        self, plan: Plan, unsafe: Sequence[str] = (), *, second: bool | None = None, org: str = "o-1", **consent: Any
    ) -> None:
        """By a listed second key, unless `second` is False, or the consent has an end of its own or no reason."""
        self.begin("approve")
        given = {"confirm": "", "reason": "", "allow": [], "until": None, **consent}
        agreed = "until" not in consent and (given["reason"] or not (unsafe or plan.unsafe))
        if plan.changes and (agreed if second is None else second):
            document = approval_of(plan, unsafe, given["reason"], org_id=org, at=parse_moment(self.now()))
            given = {"approvers": [SECOND.public_key], "document": document, **given}
        self.run.append("approval", {"checksum": plan.checksum, "unsafe": list(unsafe), **given})
        self.end("approve")

    def apply(
        self, plan: Plan, how: str = "done", report: dict[str, Any] | None = None, *, look: bool = True
    ) -> Progress:
        """`how`: done, rolled back, killed in the last change, or empty for an apply that was cut off at once. `report`
        of the look right before it."""
        self.begin("apply")
        if look and not self.given["removal"]:
            looked = report or strict_report(at=self.now())
            self.run.append(
                "bucket.looked", {"step": "apply", "bucket": "b", "summary": "s", "data": looked, "error": None}
            )
        progress = started(self.run, plan, KeyReference())
        last = len(plan.changes) - 1
        for place in range(len(plan.changes)) if how != "" else ():
            progress.note(self.run, "change.intent", place=place)
            if how != "killed" or place < last:
                progress.note(self.run, "change.done", place=place)
        if how == "rolled back":
            progress.note(self.run, "rollback.started", reason="no webhook")
        if how not in ("", "killed"):
            progress.note(self.run, "apply.finished", how=how, kept="")
            self.end("apply", "done" if how == "done" else "failed", error="RolledBack")
        return progress

    def finish(self, progress: Progress, *, look: bool = True) -> None:
        """Another run takes up an apply that was killed in its last change."""
        self.again("resume").begin("resume")
        if look:
            found = {"bucket": "b", "summary": "s", "data": strict_report(at=self.now()), "error": None}
            self.run.append("bucket.looked", {"step": "resume", **found})
        last = len(progress.plan.changes) - 1
        progress.note(self.run, "apply.taken_up", how="resume")
        progress.note(self.run, "change.intent", place=last)
        progress.note(self.run, "change.done", place=last)
        progress.note(self.run, "apply.finished", how="done", kept="")
        self.end("resume")

    def walk(self, plan: Plan | None = None, unsafe: Sequence[str] = (), **consent: Any) -> "Story":
        """Everything, and it all went well."""
        self.connect()
        self.look()
        made = self.plan(plan)
        self.approve(made, unsafe, **consent)
        self.apply(made)
        self.step("see_event")
        self.step("report")
        return self

    def snapshot(self, *gone: str, where: str = WHERE, **changes: dict[str, Any]) -> None:
        """What `opslib changes` notes: every object as it was sent, except those that are gone or changed."""
        objects = {
            IDS[kind]: {"kind": kind, "name": body["name"], "body": {**body, **changes.get(kind, {})}}
            for kind, body in bodies().items()
            if kind not in gone
        }
        data = {"at": self.now(), "where": where, "backend": "storage-targets", "objects": objects}
        self.run.append("org.snapshot", data)

    def archive(
        self,
        verdict: str = "PASS",
        bucket: str = "b",
        *,
        storage: Sequence[dict[str, Any]] = (),
        expected: dict[str, Any] | None = None,
        notes: Sequence[str] = (),
        **counts: int,
    ) -> None:
        """What `opslib archive verify` notes of 100 recordings."""
        names = ("missing", "late", "not_due", "extra", "duplicate", "empty", "without_sidecar", "malformed_keys")
        every = {"expected": 100, "arrived": 100, **dict.fromkeys(names, 0), "at_risk": 0, **counts}
        lost = [
            {
                "conversation_id": f"c-{number}",
                "recording_id": f"r-{number}",
                "ended_at": "2026-11-20T08:00:00.000Z",
                "delete_at": None,
                "reason": "no object is in the bucket",
            }
            for number in range(every["missing"])
        ]
        answer = {
            "verdict": verdict,
            "since": "2026-11-20T00:00:00.000Z",
            "judged_until": "2026-11-21T00:00:00.000Z",
            "now": self.now(),
            "within_hours": 24.0,
            "counts": every,
            "latency_s": {"p50": 60.0, "p95": 120.5, "p99": 600.0, "max": 7200.0},
            "success_rate": every["arrived"] / (every["arrived"] + every["missing"]),
            "days": [{"day": "2026-11-20", **every}],
            "missing": lost,
            "storage": list(storage),
            "notes": list(notes),
        }
        expected = {"name": "expected.csv", "sha256": "0" * 64, "rows": 100, **(expected or {})}
        data = {"bucket": bucket, "prefix": "", "source": "listing", "expected": expected, "answer": answer}
        self.verified = self.run.append("archive.verified", data).seq

    def explained(self, *, notes: Sequence[str] = ()) -> None:
        """What `opslib archive why` notes of the first two that the last verification found missing."""
        rows = [
            {
                "conversation_id": f"c-{number}",
                "recording_id": f"r-{number}",
                "ended_at": "2026-11-20T08:00:00.000Z",
                "delete_at": "2026-12-01T08:00:00.000Z",
                "reason": reason,
                "said": "as the org says",
                "export_date": None,
                "exported_date": None,
                "fix": "Do this before that.",
            }
            for number, reason in enumerate(("never_exported", "exported_not_in_bucket"))
        ]
        words = {"never_exported": "Never exported", "exported_not_in_bucket": "Exported, and not in the bucket"}
        groups = [{"reason": name, "words": said, "count": 1, "fix": "Do this."} for name, said in words.items()]
        answer = {
            "verification": {"entry": self.verified},
            "asked_at": self.now(),
            "reasons": dict.fromkeys(words, 1),
            "groups": groups,
            "within_days": 30.0,
            "at_risk_count": 1,
            "at_risk": rows[:1],
            "missing": rows,
            "requests": 4,
            "notes": list(notes),
        }
        self.run.append("archive.explained", {"bucket": "b", "list": {"sha256": "0" * 64, "rows": 2}, "answer": answer})

    def backfill(self, outcome: str = "", *, sensitive: bool = False) -> None:
        """What `opslib archive backfill` notes of three recordings; without an outcome, it is unfinished."""
        unsafe = ["sensitive-recordings"] if sensitive else []
        approved = {
            "checksum": "0" * 64,
            "where": {"api": WHERE, "integration_id": "i", "integration": "Lake", "bucket": "b"},
            "recordings": 3,
            "export_at": None,
            "sensitive": sensitive,
            "unsafe": unsafe,
            "reason": "the court asked" if sensitive else "",
            "until": None,
        }
        number = self.run.append("archive.backfill", approved).seq
        if outcome:
            ended = {"backfill": number, "outcome": outcome, "processed": 2, "failed": 1, "fulfilled": False}
            self.run.append("archive.backfill.ended", ended)

    def now(self) -> str:
        """The time of the last entry."""
        ((at,),) = rows(self.home, "SELECT at FROM entries ORDER BY seq DESC LIMIT 1")
        return str(at)


SECOND = Signer(Ed25519PrivateKey.generate())


def approval_of(
    plan: Plan,
    unsafe: Sequence[str] = (),
    reason: str = "",
    *,
    signer: Signer = SECOND,
    org_id: str = "o-1",
    days_ago: int = 0,
    at: datetime | None = None,
) -> dict[str, Any]:
    """What a second key signed so many days ago for a week, or `at` that time or just now for 90 days."""
    planned = Planned(plan=plan, org=Org(id=org_id, name="O"), target="T", unsafe=tuple(set(unsafe) - {*plan.unsafe}))
    at, days = (at or datetime.now(UTC)) - timedelta(days=days_ago), 7 if days_ago else 90
    return approve(PlanFile.of(planned, None), signer, at, reason=reason, days=days).model_dump(mode="json")


def plan_of(*changes: Change) -> Plan:
    """A plan; by default one that creates all three objects."""
    created = [
        Change(action="create", kind=kind, id=IDS[kind], name=body["name"], before=None, after=body)
        for kind, body in bodies().items()
    ]
    return Plan(where=WHERE, changes=changes or tuple(created))


def update(kind: str, unsafe: Sequence[str] = (), **values: Any) -> Change:
    """A change of one object from what `bodies` has."""
    before = bodies()[kind]
    after = {**before, **values}
    return Change(
        action="update",
        kind=kind,
        id=IDS[kind],
        name=before["name"],
        before=before,
        after=after,
        unsafe=tuple(unsafe),
    )


def delete(kind: str) -> Change:
    before = bodies()[kind]
    return Change(
        action="delete",
        kind=kind,
        id=IDS[kind],
        name=before["name"],
        before=before,
        after=None,
        unsafe=("delete",),
    )
