"""A finding as OCSF Compliance Finding (class 2003, schema 1.5.0), which Security Lake and SIEMs take in.

Only what we fill is modelled. Times are milliseconds since 1970, as the schema says.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from opslib.onboarding.values import partition_of
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


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Product(_Part):
    """What made the finding."""

    name: Literal["opslib"] = "opslib"
    vendor_name: Literal["opslib"] = "opslib"
    version: str


class Metadata(_Part):
    """The schema's version and where the event is from; `correlation_uid` is our run."""

    version: Literal["1.5.0"] = "1.5.0"
    profiles: tuple[str, ...] = ("cloud",)
    product: Product
    correlation_uid: str


class FindingInfo(_Part):
    """The check: `uid` is one for each run, bucket and check."""

    uid: str
    title: str
    desc: str
    created_time: int


class Compliance(_Part):
    """The answer, and the rule that asks for it."""

    control: str
    standards: tuple[str, ...]
    status_id: int
    status: str
    status_detail: str


class Resource(_Part):
    """The bucket."""

    uid: str
    name: str
    type: Literal["AWS::S3::Bucket"] = "AWS::S3::Bucket"
    region: str


class Cloud(_Part):
    """Where it is."""

    provider: Literal["AWS"] = "AWS"
    region: str


class Remediation(_Part):
    """What to do."""

    desc: str


class Request(_Part):
    """AWS's id of the request."""

    uid: str


class Response(_Part):
    """The HTTP status."""

    code: int


class Api(_Part):
    """An AWS call; without a response where none came."""

    operation: str
    request: Request | None
    response: Response | None


class Evidence(_Part):
    """A call that the answer rests on."""

    api: Api


class ComplianceFinding(_Part):
    """One event: a finding was created (activity 1, so type 200301) and is new (status 1)."""

    activity_id: Literal[1] = 1
    activity_name: Literal["Create"] = "Create"
    category_uid: Literal[2] = 2
    category_name: Literal["Findings"] = "Findings"
    class_uid: Literal[2003] = 2003
    class_name: Literal["Compliance Finding"] = "Compliance Finding"
    type_uid: Literal[200301] = 200301
    type_name: Literal["Compliance Finding: Create"] = "Compliance Finding: Create"
    status_id: Literal[1] = 1
    status: Literal["New"] = "New"
    time: int
    severity_id: int
    severity: str
    message: str
    metadata: Metadata
    finding_info: FindingInfo
    compliance: Compliance
    cloud: Cloud
    resources: tuple[Resource, ...]
    remediation: Remediation
    evidences: tuple[Evidence, ...]


def compliance_finding(run_id: str, opslib: str, report: dict[str, Any], finding: dict[str, Any]) -> ComplianceFinding:
    """A finding of a report (`opslib.validator.bucket.Report` as JSON), made by a version of opslib in a run."""
    bucket, region = report["bucket"], report["region"]
    time = round(datetime.fromisoformat(report["at"]).timestamp() * 1000)
    status_id, status = _STATUS[finding["verdict"]]
    severity_id, severity = _SEVERITY[finding["severity"]]
    return ComplianceFinding(
        time=time,
        severity_id=severity_id,
        severity=severity,
        message=f"{finding['title']}: {finding['cause']}",
        metadata=Metadata(product=Product(version=opslib), correlation_uid=run_id),
        finding_info=FindingInfo(
            uid=f"{run_id}/{bucket}/{finding['check']}",
            title=finding["title"],
            desc=finding["risk"],
            created_time=time,
        ),
        compliance=Compliance(
            control=finding["check"],
            standards=(finding["source"],),
            status_id=status_id,
            status=status,
            status_detail=finding["cause"],
        ),
        cloud=Cloud(region=region),
        resources=(Resource(uid=f"arn:{partition_of(region)}:s3:::{bucket}", name=bucket, region=region),),
        remediation=Remediation(desc=finding["fix"]),
        evidences=tuple(Evidence(api=_api(call)) for call in finding["evidence"]),
    )


def _api(call: dict[str, Any]) -> Api:
    return Api(
        operation=call["call"],
        request=Request(uid=call["request_id"]) if call["request_id"] else None,
        response=Response(code=call["status"]) if call["status"] else None,
    )
