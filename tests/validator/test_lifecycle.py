"""On which day which recording is lost: lifecycle rules, versions and Object Lock together, as a table of cases."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.validator.lifecycle import (
    Lock,
    Loss,
    Versioning,
    archived_early,
    losses_by,
    parse_lock,
    parse_rules,
    removal_day,
    too_early,
    too_early_later,
)

TODAY = date(2026, 11, 24)
FOLDER = "recordings/voice/"
EXPIRES = {"Expiration": {"Days": 30}}


def rule(**parts: Any) -> dict[str, Any]:
    return {"ID": "r", "Status": "Enabled", "Filter": {}, **parts}


def found(*rules: dict[str, Any], versioning: Versioning = "Off") -> list[tuple[str, int, str]]:
    seen = losses_by(parse_rules({"Rules": list(rules)}), FOLDER, versioning, TODAY)
    return [(loss.kind, loss.day, loss.part) for loss in seen]


CASES: list[tuple[str, list[dict[str, Any]], Versioning, list[tuple[str, int, str]]]] = [
    ("no rules", [], "Off", []),
    ("without versions it is deleted", [rule(**EXPIRES)], "Off", [("deleted", 30, "")]),
    ("with versions it is hidden", [rule(**EXPIRES)], "Enabled", [("hidden", 30, "")]),
    ("suspended versions do not help", [rule(**EXPIRES)], "Suspended", [("deleted", 30, "")]),
    ("a disabled rule counts for nothing", [rule(Status="Disabled", **EXPIRES)], "Off", []),
    ("another folder", [rule(Filter={"Prefix": "logs/"}, **EXPIRES)], "Off", []),
    ("a folder above", [rule(Filter={"Prefix": "recordings/"}, **EXPIRES)], "Off", [("deleted", 30, "")]),
    (
        "the old way to write a prefix",
        [rule(Filter=None, Prefix="recordings/", **EXPIRES)],
        "Off",
        [("deleted", 30, "")],
    ),
    (
        "a folder below",
        [rule(Filter={"Prefix": f"{FOLDER}2025/"}, **EXPIRES)],
        "Off",
        [("deleted", 30, f"below {FOLDER}2025/")],
    ),
    (
        "tags and sizes cover a part",
        [
            rule(
                Filter={"And": {"Prefix": "", "Tags": [{"Key": "keep", "Value": "no"}], "ObjectSizeGreaterThan": 1000}},
                **EXPIRES,
            )
        ],
        "Off",
        [("deleted", 30, "tagged keep=no and larger than 1000 bytes")],
    ),
    (
        "a single tag",
        [rule(Filter={"Tag": {"Key": "a", "Value": "b"}}, **EXPIRES)],
        "Off",
        [("deleted", 30, "tagged a=b")],
    ),
    (
        "small ones",
        [rule(Filter={"ObjectSizeLessThan": 9}, **EXPIRES)],
        "Off",
        [("deleted", 30, "smaller than 9 bytes")],
    ),
    (
        "a date in the past acts at once",
        [rule(Expiration={"Date": "2020-01-01T00:00:00Z"})],
        "Off",
        [("deleted", 0, "")],
    ),
    ("a date in the future", [rule(Expiration={"Date": "2027-01-01T00:00:00Z"})], "Off", [("deleted", 38, "")]),
    (
        "a date as boto3 parses it",
        [rule(Expiration={"Date": "2027-01-01 00:00:00+00:00"})],
        "Off",
        [("deleted", 38, "")],
    ),
    ("a date today", [rule(Expiration={"Date": "2026-11-24T00:00:00Z"})], "Off", [("deleted", 0, "")]),
    ("a folder whose name goes on", [rule(Filter={"Prefix": "recordings/voice-old/"}, **EXPIRES)], "Off", []),
    (
        "a prefix that ends within the folder's name",
        [rule(Filter={"Prefix": "recordings/vo"}, **EXPIRES)],
        "Off",
        [("deleted", 30, "")],
    ),
    ("no filter at all", [{"ID": "r", "Status": "Enabled", **EXPIRES}], "Off", [("deleted", 30, "")]),
    (
        "a prefix and a size",
        [rule(Filter={"And": {"Prefix": "recordings/", "ObjectSizeLessThan": 5}}, **EXPIRES)],
        "Off",
        [("deleted", 30, "smaller than 5 bytes")],
    ),
    (
        "And in another folder",
        [rule(Filter={"And": {"Prefix": "logs/", "ObjectSizeLessThan": 5}}, **EXPIRES)],
        "Off",
        [],
    ),
    (
        "some versions are kept",
        [rule(NoncurrentVersionExpiration={"NoncurrentDays": 7, "NewerNoncurrentVersions": 3})],
        "Enabled",
        [("noncurrent deleted", 7, "with more than 3 earlier versions")],
    ),
    (
        "suspended versions, earlier ones",
        [rule(NoncurrentVersionExpiration={"NoncurrentDays": 7})],
        "Suspended",
        [("noncurrent deleted", 7, "")],
    ),
    (
        "an archive by date",
        [rule(Transitions=[{"Date": "2027-01-01T00:00:00Z", "StorageClass": "GLACIER"}])],
        "Off",
        [("archived", 38, "")],
    ),
    ("an archive at once", [rule(Transitions=[{"StorageClass": "GLACIER"}])], "Off", [("archived", 0, "")]),
    (
        "two archives",
        [rule(Transitions=[{"Days": 9, "StorageClass": "GLACIER"}, {"Days": 90, "StorageClass": "DEEP_ARCHIVE"}])],
        "Off",
        [("archived", 9, ""), ("archived", 90, "")],
    ),
    (
        "archives of earlier versions are not played",
        [rule(NoncurrentVersionTransitions=[{"NoncurrentDays": 1, "StorageClass": "GLACIER"}])],
        "Enabled",
        [],
    ),
    (
        "old versions",
        [rule(NoncurrentVersionExpiration={"NoncurrentDays": 7})],
        "Enabled",
        [("noncurrent deleted", 7, "")],
    ),
    ("old versions without versioning", [rule(NoncurrentVersionExpiration={"NoncurrentDays": 7})], "Off", []),
    ("only a marker is cleaned up", [rule(Expiration={"ExpiredObjectDeleteMarker": True})], "Enabled", []),
    (
        "the earliest comes first",
        [rule(ID="late", Expiration={"Days": 90}), rule(ID="early", Expiration={"Days": 9})],
        "Off",
        [("deleted", 9, ""), ("deleted", 90, "")],
    ),
    (
        "an archive class",
        [rule(Transitions=[{"Days": 60, "StorageClass": "GLACIER_IR"}, {"Days": 90, "StorageClass": "DEEP_ARCHIVE"}])],
        "Off",
        [("archived", 90, "")],
    ),
    ("uploads are no recordings", [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1})], "Off", []),
]


@pytest.mark.parametrize(("name", "rules", "versioning", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_happens_to_a_recording(
    name: str, rules: list[dict[str, Any]], versioning: Versioning, expected: list[tuple[str, int, str]]
) -> None:
    """Which, on which day of its life."""
    assert found(*rules, versioning=versioning) == expected


@pytest.mark.parametrize(("days", "early"), [(29, False), (30, False), (31, True)])
def test_the_day_itself_is_enough(days: int, early: bool) -> None:
    """S3 removes after the day has passed, at the next midnight."""
    assert (
        bool(too_early(losses_by(parse_rules({"Rules": [rule(**EXPIRES)]}), FOLDER, "Off", TODAY), days, None)) is early
    )


def test_an_archive_is_no_loss() -> None:
    """But it is early while recordings must be playable."""
    seen = losses_by(
        parse_rules({"Rules": [rule(Transitions=[{"Days": 9, "StorageClass": "GLACIER"}])]}), "", "Off", TODAY
    )
    assert too_early(seen, 365, None) == []
    assert [loss.day for loss in archived_early(seen, 10)] == [9]
    assert archived_early(seen, 9) == []
    assert "day 9" in seen[0].words()


@pytest.mark.parametrize(
    ("answer", "lock"),
    [
        (None, None),
        ({"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}, Lock()),
        (
            {
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 9}},
                }
            },
            Lock("COMPLIANCE", 9, 9),
        ),
        (
            {
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 3}},
                }
            },
            Lock("GOVERNANCE", 1095, 1096),
        ),
    ],
)
def test_the_default_lock(answer: Any, lock: Lock | None) -> None:
    """Three years have 1095 days at least, and 1096 as calendar years."""
    assert parse_lock(answer) == lock


NONCURRENT = {"NoncurrentVersionExpiration": {"NoncurrentDays": 10}}

KEEPS_SOME = {"NoncurrentVersionExpiration": {"NoncurrentDays": 10, "NewerNoncurrentVersions": 5}}
SMALL = {"ObjectSizeLessThan": 5}


@pytest.mark.parametrize(
    ("rules", "versioning", "lock", "day"),
    [
        ([], "Off", None, None),
        ([rule(**EXPIRES)], "Off", None, 30),
        ([rule(**EXPIRES)], "Enabled", None, None),  # hidden, but its bytes stay
        ([rule(**EXPIRES, **NONCURRENT)], "Enabled", None, 40),
        ([rule(**EXPIRES, **NONCURRENT)], "Enabled", Lock("COMPLIANCE", 365, 366), 366),
        ([rule(**NONCURRENT)], "Enabled", None, None),  # nothing makes it noncurrent by itself
        ([rule(**EXPIRES, **NONCURRENT)], "Enabled", Lock("COMPLIANCE", 5, 5), 40),
        # A part, so the others stay; and some versions, which stay for ever.
        ([rule(Filter={"Tag": {"Key": "erase", "Value": "yes"}}, **EXPIRES)], "Off", None, None),
        ([rule(Filter={"Prefix": f"{FOLDER}tests/"}, **EXPIRES)], "Off", None, None),
        ([rule(**EXPIRES, **KEEPS_SOME)], "Enabled", None, None),
        (
            [rule(Filter={"Prefix": "recordings/"}, Expiration={"Days": 90}), rule(Filter=SMALL, **EXPIRES)],
            "Off",
            None,
            90,
        ),
    ],
)
def test_when_the_bytes_are_gone(rules: Any, versioning: Versioning, lock: Lock | None, day: int | None) -> None:
    """Of every recording that nobody touches."""
    seen = losses_by(parse_rules({"Rules": rules}), FOLDER, versioning, TODAY)
    assert removal_day(seen, lock) == day


def test_rules_for_different_folders_do_not_add_up() -> None:
    """What one hides, only a rule for the same recordings removes."""
    hides, removes = (
        rule(Filter={"Prefix": f"{FOLDER}a/"}, **EXPIRES),
        rule(Filter={"Prefix": f"{FOLDER}b/"}, **NONCURRENT),
    )
    assert removal_day(losses_by(parse_rules({"Rules": [hides, removes]}), FOLDER, "Enabled", TODAY), None) is None


@pytest.mark.parametrize(
    ("lock", "early"),
    [
        (None, ["noncurrent deleted", "hidden"]),
        (Lock(), ["noncurrent deleted", "hidden"]),
        (Lock("COMPLIANCE", 364, 364), ["noncurrent deleted", "hidden"]),
        (Lock("COMPLIANCE", 365, 365), ["hidden"]),
        (Lock("GOVERNANCE", 365, 365), ["hidden"]),
    ],
)
def test_a_lock_keeps_bytes_and_not_what_is_seen(lock: Lock | None, early: list[str]) -> None:
    """No rule removes a locked version, in neither mode; a delete marker is placed all the same."""
    seen = losses_by(parse_rules({"Rules": [rule(**EXPIRES, **NONCURRENT)]}), FOLDER, "Enabled", TODAY)
    assert [loss.kind for loss in too_early(seen, 365, lock)] == early


def test_a_date_beyond_the_retention_is_early_for_what_is_made_later() -> None:
    """Today's recordings have their time; those made the day before the date do not."""
    seen = losses_by(parse_rules({"Rules": [rule(Expiration={"Date": "2099-01-01T00:00:00Z"})]}), FOLDER, "Off", TODAY)
    assert too_early(seen, 365, None) == []
    assert [loss.on for loss in too_early_later(seen, 365)] == ["2099-01-01"]
    assert "every recording made until then, on 2099-01-01" in seen[0].words()


@given(
    st.lists(st.tuples(st.integers(1, 4000), st.booleans(), st.sampled_from(["", "recordings/", "logs/"])), max_size=5),
    st.integers(1, 4000),
)
def test_more_rules_never_keep_recordings_longer(rules: list[tuple[int, bool, str]], days: int) -> None:
    """A bucket is fit exactly when each of its rules alone is."""
    made = [
        rule(ID=f"r{n}", Status="Enabled" if on else "Disabled", Filter={"Prefix": prefix}, Expiration={"Days": after})
        for n, (after, on, prefix) in enumerate(rules)
    ]

    def fit(some: list[dict[str, Any]]) -> bool:
        return not too_early(losses_by(parse_rules({"Rules": some}), FOLDER, "Off", TODAY), days, None)

    assert fit(made) == all(fit([one]) for one in made)


@pytest.mark.parametrize("kind", ["deleted", "hidden", "noncurrent deleted", "archived"])
@pytest.mark.parametrize("on", [None, "2099-01-01"])
@pytest.mark.parametrize("day", [364, 365, 366])
def test_a_loss_is_too_early_today_or_for_what_is_made_later(kind: Any, on: str | None, day: int) -> None:
    """Before the day up to which a recording is kept; by date, whatever is made near enough to it. An archived one is
    not lost."""
    loss = Loss(kind, day, "r", on=on)
    lost = kind != "archived"
    assert too_early_later([loss], 365) == ([loss] if lost and on and day >= 365 else [])


def test_the_day_of_removal_without_a_lock_is_that_of_the_first_rule() -> None:
    """A rule of day 0, too."""
    assert removal_day([Loss("deleted", 0, "r"), Loss("deleted", 9, "s")], None) == 0
    assert removal_day([Loss("deleted", 3, "r")], Lock("COMPLIANCE", 5, 6)) == 6
    assert removal_day([Loss("deleted", 30, "r")], Lock("COMPLIANCE", 5, 6)) == 30
