"""After how many days Genesys really deletes: the org's maximum, screens, and other policies that overlap."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.errors import PermissionMissing, UnexpectedAnswer
from opslib.genesys.policies import policy_body
from opslib.genesys.retention import (
    Maximum,
    Other,
    maximum_of,
    notes,
    notes_of_others,
    others,
    warnings,
    warnings_of_others,
)
from opslib.onboarding.models import PolicyConditions, RecordingPolicy

from ..world import Json

NOW = datetime(2026, 11, 27, tzinfo=UTC)
QUEUE, OTHER_QUEUE = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"


def policy(days: int = 365, **fields: Any) -> RecordingPolicy:
    conditions = PolicyConditions(**fields.pop("conditions", {"queues": (QUEUE,)}))
    return RecordingPolicy(name="P", retention_days=days, conditions=conditions, **fields)


def other(days: int | None, medium: str = "callPolicy", *, conditions: Json | None = None, **actions: Any) -> Json:
    """Somebody else's policy that is switched on."""
    if days is not None:
        actions["retentionDuration"] = {"deleteRetention": {"days": days}}
    part = {"conditions": conditions or {"forQueues": [{"id": QUEUE}]}, "actions": actions}
    return {"name": "X", "enabled": True, "mediaPolicies": {medium: part}}


def met(ours: RecordingPolicy, *policies: Json) -> list[Other]:
    return others(policy_body(ours, "T"), policies, NOW)


@pytest.mark.parametrize(
    ("answer", "days"),
    [
        ({"retentionDays": 90}, 90),
        ({"retentionDays": 1, "dateCreated": None}, 1),
        ({}, None),
        ({"retentionDays": None}, None),
        ({"retentionDays": "90"}, None),
        ({"retentionDays": True}, None),
        ({"retentionDays": -1}, None),
        ({"retentionDays": 0}, None),
        ({"retentionDays": {"days": 90}}, None),
        (PermissionMissing("No", cause="analytics:dataRetention:view", fix="add it"), None),
    ],
)
def test_the_maximum_is_a_number_of_days_or_not_known(answer: Any, days: int | None) -> None:
    """With the reason; no other value is taken for one."""
    found = maximum_of(answer)
    assert found.days == days
    assert bool(found.why) == (days is None)


@pytest.mark.parametrize(
    ("days", "maximum", "words"),
    [
        (365, 90, ["so they go after 90 days"]),
        (91, 90, ["so they go after 90 days"]),
        (90, 90, []),
        (365, None, ["UNKNOWN"]),
    ],
)
def test_the_org_s_maximum_counts_over_the_policy(days: int, maximum: int | None, words: list[str]) -> None:
    """A policy within it needs no warning; an org that does not say it leaves the days open, and says why."""
    found = list(warnings(policy(days), Maximum(maximum, "no answer")))
    assert len(found) == len(words)
    assert all(word in one and f": {days}" in one for one, word in zip(found, words, strict=True))
    kept = min(days, maximum or days)
    assert f"its own copy after {kept} days" in " ".join(notes(policy(days), Maximum(maximum)))


@pytest.mark.parametrize(
    ("types", "days", "maximum", "warned"),
    [
        (("voice", "screen"), 730, 3650, True),
        (("voice", "screen"), 366, None, True),
        (("voice", "screen"), 365, 3650, False),
        (("voice", "screen"), 730, 200, False),
        (("voice",), 730, 3650, False),
    ],
)
def test_screen_recordings_live_a_year(types: Any, days: int, maximum: int | None, warned: bool) -> None:
    """Where neither the policy nor the org ends them earlier."""
    found = " ".join(warnings(policy(days, recording_types=types), Maximum(maximum, "no answer")))
    assert ("screen recordings after a year, so those go after 365 days" in found) == warned


def test_a_policy_that_is_off_keeps_nothing() -> None:
    """What it says is not compared; what the org does without a policy is said."""
    off = policy(365, enabled=False)
    assert list(warnings(off, Maximum(90))) == []
    assert met(off, other(2555)) == []
    (note,) = notes(off, Maximum(90))
    assert "switched off, are deleted after 90 days" in note


@pytest.mark.parametrize(("maximum", "after"), [(3650, "2555 days"), (400, "400 days"), (None, "2555 days, or at")])
def test_the_longest_policy_is_named_with_its_days(maximum: int | None, after: str) -> None:
    """Of several the longest; it, too, ends at the org's maximum."""
    shorter = other(500) | {"name": "shorter"}
    (warning,) = warnings_of_others(policy(), Maximum(maximum), met(policy(), shorter, other(2555)))
    assert "policy X may match the same interactions and keeps them 2555 days" in warning
    assert f"so those go after {after}" in warning


@pytest.mark.parametrize("days", [1, 364, 365])
def test_a_policy_that_keeps_no_longer_changes_nothing(days: int) -> None:
    """The longest counts, which is ours."""
    assert list(warnings_of_others(policy(), Maximum(3650), met(policy(), other(days)))) == []


def test_beyond_the_maximum_no_policy_is_longer() -> None:
    """Both end at 90 days."""
    assert list(warnings_of_others(policy(), Maximum(90), met(policy(), other(2555)))) == []


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ({}, "set no days of their own"),
        ({"retentionDuration": {"deleteRetention": None}}, "set no days of their own"),
        ({"retentionDuration": "of another shape"}, "set no days of their own"),
        ({"alwaysDelete": True}, "delete their recordings"),
        ({"deleteRecording": True, "retainRecording": False}, "delete their recordings"),
        ({"deleteRecording": True}, "set no days of their own"),
    ],
)
def test_what_genesys_does_not_say_is_unknown(actions: Json, words: str) -> None:
    """Without days, or with a deletion, no rule says which policy counts; to retain goes before to delete."""
    (warning,) = warnings_of_others(policy(), Maximum(3650), met(policy(), other(None, **actions)))
    assert words in warning
    assert "UNKNOWN" in warning
    assert "policy X" in warning


@pytest.mark.parametrize(
    ("ours", "theirs", "overlap"),
    [
        ({}, other(2555, "chatPolicy"), []),
        ({"directions": ("INBOUND",)}, other(2555, conditions={"directions": ["OUTBOUND"]}), []),
        ({"directions": ("INBOUND",)}, other(2555, conditions={"directions": ["OUTBOUND", "INBOUND"]}), ["maybe"]),
        ({}, other(2555, conditions={"forQueues": [{"id": OTHER_QUEUE}]}), ["after a transfer"]),
        ({}, other(2555, conditions={"forUsers": [{"id": OTHER_QUEUE}]}), ["maybe"]),
        ({}, other(2555, conditions={"timeAllowed": {"timeSlots": [{"day": 1}]}}), ["maybe"]),
        ({}, other(2555, conditions={"someNewCondition": ["x"]}), ["maybe"]),
        ({}, other(2555, conditions={"dateRanges": ["2025-01-01T00:00:00Z/2026-01-01T00:00:00Z"]}), []),
        ({}, other(2555, conditions={"dateRanges": ["whenever"]}), ["maybe"]),
        ({}, other(2555) | {"enabled": False}, []),
        ({}, {"name": "X", "enabled": True, "actions": {"retainRecording": True}}, ["maybe"]),
        ({}, {"name": "X", "enabled": True, "actions": {"retainRecording": False}}, []),
        (
            {},
            {
                "name": "X",
                "enabled": True,
                "conditions": {"mediaTypes": ["CHAT"]},
                "actions": {"retainRecording": True},
            },
            [],
        ),
        ({}, {"name": "X", "enabled": True, "mediaPolicies": None, "conditions": None, "actions": None}, []),
        ({}, {"name": "X", "enabled": True, "mediaPolicies": ["of another shape"]}, []),
    ],
)
def test_policies_overlap_unless_they_are_certainly_disjoint(ours: Json, theirs: Json, overlap: list[str]) -> None:
    """Media, directions and dates keep them apart; other ids meet in a transferred interaction; the rest may hold."""
    wanted = policy(conditions={"queues": (QUEUE,), **ours})
    assert [one.overlap for one in met(wanted, theirs)] == overlap


def test_date_ranges_that_meet_later_overlap() -> None:
    """From now on; those that never meet do not."""
    wanted = policy(conditions={"date_ranges": ("2027-01-01T00:00:00Z/2027-06-01T00:00:00Z",)})
    for theirs, count in (
        ("2027-05-01T00:00:00Z/2028-01-01T00:00:00Z", 1),
        ("2027-07-01T00:00:00Z/2028-01-01T00:00:00Z", 0),
    ):
        assert len(met(wanted, other(2555, conditions={"dateRanges": [theirs]}))) == count


def test_a_transfer_is_a_note_not_a_warning() -> None:
    """Every org has a policy for each of several queues."""
    elsewhere = met(policy(), other(2555, conditions={"forQueues": [{"id": OTHER_QUEUE}]}))
    assert list(warnings_of_others(policy(), Maximum(3650), elsewhere)) == []
    (note,) = notes_of_others(policy(), Maximum(3650), elsewhere)
    assert "as after a transfer, goes after 2555 days" in note


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["mediaPolicies", "callPolicy", "conditions", "actions", "forQueues", "directions", "dateRanges", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["mediaPolicies", "conditions", "actions", "name"]), JSON_VALUES))
def test_a_policy_of_any_shape_is_taken(body: Json) -> None:
    """Whatever an org has, a plan is made; no sentence of it names another policy than that one."""
    found = met(policy(), body | {"enabled": True})
    assert {one.name for one in found} <= {str(body.get("name"))}
    list(warnings_of_others(policy(), Maximum(3650), found))


def test_an_answer_that_is_not_json_is_not_a_maximum() -> None:
    """Such as a proxy's page."""
    error = UnexpectedAnswer("The answer is no JSON object", cause="content type text/html", fix="check the URL")
    assert "text/html" in maximum_of(error).why
