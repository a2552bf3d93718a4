"""Recordings that Intelligent-Tiering archives, of which nobody hears one without restoring it first."""

from datetime import date
from typing import Any

import pytest

from opslib.validator.intelligent_tiering import archived_by
from opslib.validator.lifecycle import parse_rules

from ..world import Sandbox
from .buckets import ACTIONS, finding, keys_of, planted

TODAY = date(2026, 11, 27)
ORG = "6513270e-269e-4d37-b2a7-4de452e6b438/"

AND_TAG = {"And": {"Prefix": ORG, "Tags": [{"Key": "k", "Value": "v"}]}}


def moves(**changes: Any) -> dict[str, Any]:
    transition = {"Days": changes.pop("days", 0), "StorageClass": "INTELLIGENT_TIERING"}
    return {"ID": "r1", "Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [transition]} | changes


def archives(*days: int, **changes: Any) -> dict[str, Any]:
    tiers = [{"AccessTier": "ARCHIVE_ACCESS", "Days": day} for day in days or (90,)]
    return {"Id": "a", "Status": "Enabled", "Tierings": tiers} | changes


@pytest.mark.parametrize(
    ("rule", "configuration", "place", "day", "part"),
    [
        (moves(), archives(), ORG, 90, ""),
        (moves(days=30), archives(180, 90), ORG, 120, ""),
        (moves(), archives(Status="Disabled"), ORG, None, ""),
        (moves(Status="Disabled"), archives(), ORG, None, ""),
        (moves(), archives(Filter={"Prefix": "logs/"}), ORG, None, ""),
        (moves(), archives(Filter={"Prefix": "logs/"}), None, 90, "below logs/"),
        (moves(Filter={"Prefix": "logs/"}), archives(Filter={"Prefix": "recordings/"}), None, None, ""),
        (moves(), archives(Filter={"Prefix": f"{ORG}year=2026/"}), ORG, 90, f"below {ORG}year=2026/"),
        (moves(), archives(Filter={"Prefix": ORG}), ORG, 90, ""),
        (moves(), archives(Filter={"Tag": {"Key": "k", "Value": "v"}}), ORG, 90, "tagged k=v"),
        (
            moves(),
            archives(Filter={"And": {"Prefix": ORG, "Tags": [{"Key": "k", "Value": "v"}]}}),
            ORG,
            90,
            "tagged k=v",
        ),
        ({"ID": "x", "Status": "Enabled", "Expiration": {"Days": 9}}, archives(), ORG, None, ""),
    ],
)
def test_from_which_day_on(rule: Any, configuration: Any, place: str | None, day: int | None, part: str) -> None:
    """The rule's day and the tier's, where rule, configuration and recordings meet."""
    found = archived_by([configuration], parse_rules({"Rules": [rule]}), place, TODAY)
    assert [(one.day, one.part, one.tagged) for one in found] == ([(day, part, "tagged" in part)] if day else [])


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


# What S3 says of rules and configurations.
ALL = (
    "<All><Rule><ID>r1</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Transition><Days>{days}</Days>"
    "<StorageClass>{to}</StorageClass></Transition></Rule><IsTruncated>false</IsTruncated>"
    "<IntelligentTieringConfiguration><Id>a</Id><Status>Enabled</Status>{filter}<Tiering>"
    "<AccessTier>ARCHIVE_ACCESS</AccessTier><Days>90</Days></Tiering></IntelligentTieringConfiguration></All>"
)
TAGGED = "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>"


@pytest.mark.parametrize(
    ("days", "to", "filter", "playable_days", "word", "says"),
    [
        (0, "INTELLIGENT_TIERING", "", 730, "FAIL", "archives from day 90 on what nobody has opened"),
        (30, "INTELLIGENT_TIERING", "", 120, "PASS", "within 120 days"),
        (30, "INTELLIGENT_TIERING", "", 121, "FAIL", "from day 120 on"),
        (0, "INTELLIGENT_TIERING", TAGGED, 730, "UNKNOWN", "whether recordings have such tags is not known"),
        (0, "STANDARD_IA", "", 730, "PASS", "within 730 days"),
        (0, "GLACIER", "", 730, "FAIL", "archive class"),
        (0, "GLACIER_IR", "", 730, "PASS", "within 730 days"),
    ],
)
async def test_what_is_archived_cannot_be_played(
    sandbox: Sandbox, days: int, to: str, filter: str, playable_days: int, word: str, says: str
) -> None:
    """While it must be playable."""
    with planted(sandbox) as bucket:
        bucket.answers(ALL.format(days=days, to=to, filter=filter), "lifecycle", "intelligent-tiering")
        found = await finding(sandbox, "playable", bucket.name, playable_days=playable_days)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


async def test_a_bucket_without_configurations_passes(sandbox: Sandbox) -> None:
    """Its lower tiers still play at once; who may not ask for configurations does not know."""
    with planted(sandbox) as bucket:
        bucket.lifecycle({"Transitions": [{"Days": 0, "StorageClass": "INTELLIGENT_TIERING"}]})
        assert (await finding(sandbox, "playable", bucket.name, playable_days=731)).verdict == "PASS"
        action = "s3:GetIntelligentTieringConfiguration"
        blind = keys_of(sandbox, [one for one in ACTIONS if one != action])
        found = await finding(sandbox, "playable", bucket.name, keys=blind, playable_days=731)
    assert (found.verdict, found.action) == ("UNKNOWN", action)
