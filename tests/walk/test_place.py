"""The bucket is checked where Genesys writes: below the organisation's id, or as the integration's type says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.audit.sections.bucket import caption
from opslib.validator.render import as_text
from opslib.walk.state_machine import JSON
from opslib.walk.walk import Walk

from ..router import platform_org as org
from ..router.org import inject
from ..world import INTEGRATIONS, Sandbox, environment

SCHEMA = f"{INTEGRATIONS}/types/[^/]+/configschemas/properties"


@pytest.fixture(autouse=True)
def rules(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bucket whose lifecycle rules are gone afterwards."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    yield
    sandbox.s3().delete_bucket_lifecycle(Bucket=sandbox["bucket"])


def delete_below(sandbox: Sandbox, prefix: str) -> None:
    rule = {"ID": "save-money", "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": 30}}
    sandbox.s3().put_bucket_lifecycle_configuration(Bucket=sandbox["bucket"], LifecycleConfiguration={"Rules": [rule]})


async def validated(sandbox: Sandbox, **target: Any) -> JSON:
    """The report about the bucket of an onboarding."""
    async with Walk(org.onboarding(sandbox, target=target)) as walk:
        await walk.run("connect")
        try:
            return (await walk.run("validate_bucket")).data
        except errors.BucketUnfit:
            result = walk.result("validate_bucket")
            assert result
            return result.data


def verdict(report: JSON, check: str) -> str:
    return next(str(one["verdict"]) for one in report["findings"] if one["check"] == check)


@pytest.mark.parametrize(
    ("below", "expected"),
    [("{org}/", "FAIL"), ("{org}", "FAIL"), ("{org}/year=2026/", "FAIL"), ("", "FAIL"), ("recordings/voice/", "PASS")],
)
async def test_a_rule_counts_where_genesys_writes(sandbox: Sandbox, below: str, expected: str) -> None:
    """The type has no property for a prefix, so the file's own prefix is not where recordings go."""
    delete_below(sandbox, below.format(org=sandbox["external_id"]))
    report = await validated(sandbox, path_prefix="recordings/voice")
    assert verdict(report, "retention") == expected
    assert report["prefix"] == sandbox["external_id"]
    assert f"keys below {sandbox['external_id']}/" in caption(report)


@pytest.mark.parametrize(("below", "expected"), [("{org}/", "PASS"), ("calls/eu/", "FAIL"), ("calls/", "FAIL")])
async def test_a_type_with_a_prefix_writes_there(sandbox: Sandbox, below: str, expected: str) -> None:
    properties = {name: {"type": "string"} for name in ("bucketName", "bucketRegion", "iamRoleArn", "keyPrefix")}
    answer = {"type": "object", "properties": properties}
    sandbox.control("POST", "/faults", {"path_regex": SCHEMA, "body": answer}).raise_for_status()
    delete_below(sandbox, below.format(org=sandbox["external_id"]))
    report = await validated(sandbox, path_prefix="calls/eu")
    assert (verdict(report, "retention"), report["prefix"]) == (expected, "calls/eu")


@pytest.mark.parametrize("status", [403, None])
async def test_a_place_that_is_not_known_is_every_place(sandbox: Sandbox, status: int | None) -> None:
    """An org that does not show its types, or has none: any rule may remove recordings, and the report says why."""
    answer = {"status": status} if status else {"body": {"entities": [], "total": 0, "pageCount": 0}}
    inject(sandbox, "GET", f"{INTEGRATIONS}/types", **answer)
    delete_below(sandbox, "anywhere/at/all/")
    report = await validated(sandbox)
    assert (verdict(report, "retention"), report["prefix"]) == ("FAIL", None)
    assert "every prefix (where Genesys writes is not known)" in as_text(report)


async def test_properties_of_ones_own_may_hold_a_prefix(sandbox: Sandbox) -> None:
    report = await validated(sandbox, properties={"bucketName": "{bucket}", "iamRoleArn": "{role_arn}", "dir": "calls"})
    assert report["prefix"] is None
