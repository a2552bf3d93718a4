"""A retention policy as Genesys has it, from an onboarding and back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.errors import InvalidInput
from opslib.genesys.platform_backend import PlatformBackend
from opslib.genesys.policies import delete_days, matches_everything, policy_body, policy_values
from opslib.onboarding.models import Onboarding, RecordingPolicy

from ..conformance.oracle import problems
from ..router.org import NO_CLIENT

BACKEND = PlatformBackend(client=NO_CLIENT)
IDS = st.lists(st.uuids().map(str), max_size=3, unique=True).map(tuple)
DATES = ("2026-01-01T00:00:00.000Z/2026-02-01T00:00:00.000Z", "2026-03-01T00:00:00Z/2027-01-01T00:00:00+01:00")


@st.composite
def policies(draw: st.DrawFn) -> RecordingPolicy:
    """Any policy that an onboarding for platform may have."""
    media = draw(st.lists(st.sampled_from(["voice", "chat", "email", "message"]), min_size=1, unique=True))
    values: dict[str, Any] = {name: draw(IDS) for name in ("queues", "users", "teams", "wrapup_codes")} | {
        "date_ranges": tuple(draw(st.lists(st.sampled_from(DATES), unique=True)))
    }
    if media == ["voice"]:
        values["directions"] = tuple(draw(st.lists(st.sampled_from(["INBOUND", "OUTBOUND"]), unique=True)))
    policy = {
        "name": draw(st.sampled_from(["P", "Archiv für Sprache"])),
        "recording_types": (*sorted(media), *draw(st.sampled_from([(), ("screen",)]))),
        "retention_days": draw(st.integers(1, 36_525)),
        "enabled": draw(st.booleans()),
        **({"conditions": values} if any(values.values()) else {"all_interactions": True}),
    }
    target = {
        "name": "T",
        "bucket": "a-bucket",
        "region": "us-east-1",
        "retention_days": 36_525,
        "credentials": {"role_arn": "arn:aws:iam::123456789012:role/R", "external_id": "abc"},
    }
    webhook = {"url": "https://d.example.com/in", "account": "123456789012", "region": "us-east-1"}
    whole = {"backend": "platform", "target": target, "policy": policy, "webhook": webhook}
    return Onboarding.model_validate(whole).policy


@settings(deadline=None)
@given(policies())
def test_there_and_back(policy: RecordingPolicy) -> None:
    """Nothing is lost on the way, the official SDK knows every field, and what matches everything is known to."""
    body = policy_body(policy, "T")
    values = policy_values(body)
    values["recording_types"] = tuple(sorted(values["recording_types"]))
    expected = policy.model_copy(update={"recording_types": tuple(sorted(policy.recording_types))})
    assert RecordingPolicy(**values) == expected
    assert problems("PolicyCreate", body) == []
    assert matches_everything(body) == policy.all_interactions
    assert delete_days(body) == policy.retention_days
    assert BACKEND.comparable(body) == BACKEND.comparable({**body, "id": "x", "order": 3, "conditions": None})


@pytest.mark.parametrize(
    "media",
    [
        {},
        {"callPolicy": {"actions": {}}},
        {
            "callPolicy": {"actions": {"retentionDuration": {"deleteRetention": {"days": 1}}}},
            "chatPolicy": {"actions": {"retentionDuration": {"deleteRetention": {"days": 2}}}},
        },
        {
            "callPolicy": {
                "actions": {"retentionDuration": {"deleteRetention": {"days": 1}}},
                "conditions": {"a": [1]},
            },
            "chatPolicy": {"actions": {"retentionDuration": {"deleteRetention": {"days": 1}}}},
        },
    ],
)
def test_what_one_onboarding_cannot_say_is_refused(media: dict[str, Any]) -> None:
    """No retention, or media that differ: an export would say something else than what is there."""
    with pytest.raises(InvalidInput, match="cannot be said"):
        policy_values({"name": "P", "mediaPolicies": media})


@pytest.mark.parametrize(
    ("conditions", "everything"),
    [
        ({"timeAllowed": {"timeZoneId": "Europe/Paris", "timeSlots": []}}, True),
        ({"forQueues": [], "languages": None}, True),
        ({"timeAllowed": {"timeSlots": [{"day": 1}]}}, False),
        ({"languages": [{"id": "en"}]}, False),
    ],
)
def test_what_matches_everything_is_known_to(conditions: dict[str, Any], everything: bool) -> None:
    """Conditions that hold for every interaction are none."""
    assert matches_everything({"mediaPolicies": {"callPolicy": {"conditions": conditions}}}) == everything
