"""Ledgers as a walk would write them, made step by step."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Run

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
