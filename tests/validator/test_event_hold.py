"""A default event hold: protection that ends only some days after somebody releases it."""

from typing import Any

import pytest

from opslib.validator.bucket import check_bucket
from opslib.validator.lifecycle import Lock, parse_lock
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import Wanted

from ..world import Sandbox
from .buckets import finding, keys_of, planted


def answer(**default: Any) -> dict[str, Any]:
    rule = {"Rule": {"DefaultRetention": default}} if default else {}
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **rule}}


@pytest.mark.parametrize(
    ("default", "lock"),
    [
        ({"DefaultEventHold": {"Days": 30}}, Lock(hold_days=30)),
        ({"DefaultEventHold": {"Years": 2}}, Lock(hold_days=730)),
        ({"Mode": "COMPLIANCE", "Days": 9, "DefaultEventHold": {"Days": 30}}, Lock("COMPLIANCE", 9, 9, 30)),
        ({"Mode": "GOVERNANCE", "Years": 1}, Lock("GOVERNANCE", 365, 366)),
        ({"DefaultEventHold": {}}, Lock()),
        ({}, Lock()),
    ],
)
def test_every_part_may_be_absent(default: dict[str, Any], lock: Lock) -> None:
    """Mode, Days, Years and the hold."""
    assert parse_lock(answer(**default)) == lock


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


# What S3 says of the lock and of rules.
HELD = (
    "<All><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>{mode}"
    "<DefaultEventHold><Days>{hold}</Days></DefaultEventHold></DefaultRetention><Status>Enabled</Status>"
    "<ID>r</ID><Filter><Prefix></Prefix></Filter><Expiration><Days>{expires}</Days></Expiration>"
    "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></All>"
)
COMPLIANCE = "<Mode>COMPLIANCE</Mode><Days>365</Days>"


@pytest.mark.parametrize(
    ("check", "mode", "hold", "wanted", "word", "says"),
    [
        ("object-lock", "", 30, {"retention_days": 365}, "WARN", "only an event hold"),
        ("object-lock", COMPLIANCE, 30, {"retention_days": 365}, "PASS", "event hold of 30 days"),
        ("retention-bounds", "", 30, {"retention_days": 30, "most": 100}, "UNKNOWN", "before somebody releases it"),
        ("retention-bounds", "", 101, {"retention_days": 30, "most": 100}, "FAIL", "101 days after its release"),
        ("retention-bounds", "", 30, {"retention_days": 30}, "not_checked", "no bounds"),
    ],
)
async def test_what_a_hold_is_worth(
    sandbox: Sandbox, check: str, mode: str, hold: int, wanted: dict[str, Any], word: str, says: str
) -> None:
    """It protects, nobody knows until when; so it can stand against a maximum."""
    with planted(sandbox) as bucket:
        bucket.answers(HELD.format(mode=mode, hold=hold, expires=40), "object-lock", "lifecycle")
        found = await finding(sandbox, check, bucket.name, **wanted)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


async def test_a_report_with_a_hold(sandbox: Sandbox) -> None:
    """A profile that insists on storage that nobody can rewrite gets no PASS from it; no answer is out of shape."""
    keys = keys_of(sandbox)
    with planted(sandbox) as bucket:
        bucket.answers(HELD.format(mode="", hold=30, expires=4000), "object-lock", "lifecycle")
        wanted = Wanted(bucket.name, sandbox["region"], retention_days=1096, writer=keys)
        profile = load_profile("sec-17a-4")
        asked = {name: profile.checks[name] for name in ("retention", "retention-bounds", "versioning", "object-lock")}
        report = await check_bucket(wanted, profile.model_copy(update={"checks": asked}), keys)
    found = {one.check: one for one in report.findings}
    assert (found["object-lock"].verdict, "only an event hold" in found["object-lock"].cause) == ("UNKNOWN", True)
    assert report.clocks
    assert (report.clocks.lock, report.clocks.removed) == (Lock(hold_days=30), None)
    assert not [one for one in report.findings if "not as AWS documents" in one.cause]
