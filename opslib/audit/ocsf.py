"""A finding as OCSF Compliance Finding (class 2003, schema 1.5.0), which Security Lake and SIEMs take in.

Only what we know is filled in. Times are milliseconds since 1970, as the schema says.
"""

from datetime import datetime
from typing import Any

from opslib.onboarding.values import aws_region, partition_of
from opslib.verdict import Verdict

# Names and numbers of the schema: compliance.status_id, severity_id.
_STATUS: dict[Verdict, tuple[int, str]] = {
    "PASS": (1, "Pass"),
    "WARN": (2, "Warning"),
    "FAIL": (3, "Fail"),
    "UNKNOWN": (0, "Unknown"),
    "not_checked": (99, "Not checked"),
}
_SEVERITY: dict[str, tuple[int, str]] = {
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
# A finding was created, and is new.
_CREATED = {
    "activity_id": 1,
    "activity_name": "Create",
    "category_uid": 2,
    "category_name": "Findings",
    "class_uid": 2003,
    "class_name": "Compliance Finding",
    "type_uid": 200301,
    "type_name": "Compliance Finding: Create",
    "status_id": 1,
    "status": "New",
}


def compliance_finding(run_id: str, opslib: str, report: dict[str, Any], finding: dict[str, Any]) -> dict[str, Any]:
    """A finding of a report (`opslib.validator.bucket.Report` as JSON), made by a version of opslib in a run."""
    bucket, region = report["bucket"], report["region"]
    time = round(datetime.fromisoformat(report["at"]).timestamp() * 1000)
    status_id, status = _STATUS[finding["verdict"]]
    severity_id, severity = _SEVERITY[finding["severity"]]
    return {
        **_CREATED,
        "time": time,
        "severity_id": severity_id,
        "severity": severity,
        "message": f"{finding['title']}: {finding['cause']}",
        "metadata": {
            "version": "1.5.0",
            "profiles": ["cloud"],
            "product": {"name": "opslib", "vendor_name": "opslib", "version": opslib},
            "correlation_uid": run_id,
        },
        "finding_info": {
            "uid": f"{run_id}/{bucket}/{finding['check']}",
            "title": finding["title"],
            "desc": finding["risk"],
            "created_time": time,
        },
        "compliance": {
            "control": finding["check"],
            "standards": [finding["source"]],
            "status_id": status_id,
            "status": status,
            "status_detail": finding["cause"],
        },
        "cloud": {"provider": "AWS", "region": region},
        "resources": [
            {
                "uid": _uid(bucket, region),
                "name": bucket,
                "type": "AWS::S3::Bucket",
                "region": region,
            }
        ],
        "remediation": {"desc": finding["fix"]},
        "evidences": [{"api": _api(call)} for call in finding["evidence"]],
    }


def _uid(bucket: str, region: str) -> str:
    """The bucket's ARN; its address where a ledger from elsewhere names a region that AWS does not have."""
    try:
        return f"arn:{partition_of(aws_region(region))}:s3:::{bucket}"
    except ValueError:
        return f"s3://{bucket}"


def _api(call: dict[str, Any]) -> dict[str, Any]:
    """An AWS call; without request and response where no answer came."""
    api: dict[str, Any] = {"operation": call["call"]}
    if call["request_id"]:
        api["request"] = {"uid": call["request_id"]}
    if call["status"]:
        api["response"] = {"code": call["status"]}
    return api
