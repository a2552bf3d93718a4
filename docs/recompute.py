"""Recompute the figures of an audit: python recompute.py FOLDER. Exit code 0: report.json agrees. See docs/audit.md."""

import csv
import json
import sys
from collections import Counter
from math import sqrt
from pathlib import Path
from statistics import mean, quantiles

sys.excepthook = lambda kind, error, _: print(f"CANNOT BE RECOMPUTED: {kind.__name__} {str(error)!r}", file=sys.stderr)
names = ("report.json", "operations.csv", "samples.csv", "findings.csv")
text, *tables = (Path(sys.argv[1], name).read_text("utf-8") for name in names)
report, (operations, samples, findings) = json.loads(text), [list(csv.DictReader(one.split("\n"))) for one in tables]
calls = [one for one in samples if one["operation"] not in ("get_access_token", "read_catalogue", "read_upload_report")]
there = [one for one in calls if one["outcome"] != "not_found" or one["method"] not in ("GET", "DELETE")]
tries, wins = Counter(one["operation"] for one in there), Counter(one["operation"] + one["outcome"] for one in there)
ms, total, n = [1000 * float(one["latency_s"]) for one in calls] or [0.0], len(operations), len(operations) or 1
good, levels = sum(one["outcome"] == "success" for one in operations), {one["severity"] for one in findings}
half = sqrt((Z2 := 1.959964**2) * (good / n * (1 - good / n) + Z2 / 4 / n) / n)
bounds = [min(max(100 * (good / n + Z2 / 2 / n + side) / (1 + Z2 / n), 0), 100) for side in (-half, half)]
p50, p95, p99 = (quantiles(ms if ms[1:] else ms * 2, n=100, method="inclusive")[place] for place in (49, 94, 98))
figures = {
    "total_operations": total, "success_count": good, "failure_count": total - good, "attempts": len(calls),
    "success_rate_percent": 100 * good / n if total else None, "p50_latency_ms": p50 if calls[19:] else None,
    "p95_latency_ms": p95 if calls else None, "p99_latency_ms": p99 if calls[99:] else None,
    "fastest_latency_ms": min(ms) if calls else None, "slowest_latency_ms": max(ms) if calls else None,
    "average_latency_ms": mean(ms) if calls else None, "attempts_not_there": len(calls) - len(there),
    "attempts_of_operations": sum(int(one["attempts"]) for one in operations),
    "attempts_by_operation": {name: {"succeeded": wins[f"{name}success"], "attempts": tries[name]} for name in tries},
    "success_rate_interval_95_percent": bounds if total >= 20 else None,
    "control_counts": dict.fromkeys(report["control_counts"], 0) | Counter(one["word"] for one in report["controls"]),
    "by_verdict": Counter(one["verdict"] for one in findings),
    "by_severity": {one: Counter(row["verdict"] for row in findings if row["severity"] == one) for one in levels},
}  # fmt: skip
stated, differ = report | report["metrics"] | report["findings"], 0
for name, value in json.loads(json.dumps(figures), parse_float=lambda digits: round(float(digits), 2)).items():
    differ += value != (said := stated.get(name))
    print("agrees " if value == said else "DIFFERS", name, "recomputed", value, "stated", repr(said))
sys.exit(differ > 0)
