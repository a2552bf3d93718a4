"""The bodies of media retention policies (platform only): made from an onboarding's policy, and read back."""

from typing import Any

from opslib.errors import InvalidInput
from opslib.genesys.answers import Entity, Shape
from opslib.genesys.backend import JSON
from opslib.onboarding.models import PolicyConditions, RecordingPolicy

POLICIES = "/api/v2/recording/mediaretentionpolicies"
# What says that opslib made an object: in a policy's description and an integration's notes.
MARK = "managed by opslib"

# Where each recording type has its own part of a policy. Screens are exported with the interaction they belong to.
_MEDIA = {"voice": "callPolicy", "chat": "chatPolicy", "email": "emailPolicy", "message": "messagePolicy"}

# Our conditions under Genesys's names; the first four are lists of ids.
_REFERENCES = {"queues": "forQueues", "users": "forUsers", "teams": "teams", "wrapup_codes": "wrapupCodes"}
_VALUES = {"directions": "directions", "date_ranges": "dateRanges"}
_OUR_CONDITIONS = frozenset({*_REFERENCES.values(), *_VALUES.values()})

# Our actions; None where all of it is ours, else the parts of it that are.
_OUR_ACTIONS: dict[str, frozenset[str] | None] = {
    "retainRecording": None,
    "deleteRecording": None,
    "alwaysDelete": None,
    "retentionDuration": frozenset({"deleteRetention"}),
    "integrationExport": frozenset({"integration", "shouldExportScreenRecordings"}),
}


class _TimeAllowed(Shape):
    timeSlots: list[Any] | None = None


class _Conditions(Shape):
    forQueues: list[Entity] | None = None
    forUsers: list[Entity] | None = None
    teams: list[Entity] | None = None
    wrapupCodes: list[Entity] | None = None
    directions: list[str] | None = None
    dateRanges: list[str] | None = None
    timeAllowed: _TimeAllowed | None = None


class _DeleteRetention(Shape):
    days: int | None = None


class _RetentionDuration(Shape):
    deleteRetention: _DeleteRetention | None = None


class _IntegrationExport(Shape):
    integration: Entity | None = None
    shouldExportScreenRecordings: bool | None = None


class _Actions(Shape):
    retentionDuration: _RetentionDuration | None = None
    integrationExport: _IntegrationExport | None = None


class _MediaPolicy(Shape):
    conditions: _Conditions | None = None
    actions: _Actions | None = None


class _PolicyErrorMessage(Shape):
    userMessage: str | None = None


class _PolicyErrors(Shape):
    policyErrorMessages: list[_PolicyErrorMessage] | None = None


class Policy(Entity):
    """A media retention policy as the API answers it."""

    name: str
    description: str | None = None
    enabled: bool | None = None
    mediaPolicies: dict[str, _MediaPolicy | None] | None = None
    conditions: _Conditions | None = None
    actions: JSON | None = None
    policyErrors: _PolicyErrors | None = None


def policy_body(policy: RecordingPolicy, target: str) -> JSON:
    """The policy, with the integration that it exports to by its name."""
    conditions = _conditions(policy.conditions)
    actions = {
        "retainRecording": True,
        "deleteRecording": False,
        "alwaysDelete": False,
        "retentionDuration": {"deleteRetention": {"days": policy.retention_days}},
        "integrationExport": {
            "integration": {"name": target},
            "shouldExportScreenRecordings": "screen" in policy.recording_types,
        },
    }
    part = {"actions": actions, **({"conditions": conditions} if conditions else {})}
    types = ", ".join(policy.recording_types)
    return {
        "name": policy.name,
        "description": f"Keeps {types} recordings for {policy.retention_days} days; {MARK}",
        "enabled": policy.enabled,
        "mediaPolicies": {_MEDIA[type]: part for type in policy.recording_types if type in _MEDIA},
    }


def over(existing: JSON, body: JSON) -> JSON:
    """Our policy with what somebody else added to the existing one: conditions, actions and media that an onboarding
    cannot express. Without a condition the policy would match more, and more recordings would be deleted."""
    media, old = body["mediaPolicies"], existing.get("mediaPolicies") or {}
    kept = {name: existing[name] for name in ("conditions", "actions") if existing.get(name)}
    others = {name: part for name, part in old.items() if part and name not in _MEDIA.values()}
    ours = {name: _part_over(old.get(name) or {}, part) for name, part in media.items()}
    return {**kept, **body, "mediaPolicies": others | ours}


def foreign(body: JSON) -> frozenset[str]:
    """The paths of what an onboarding cannot express."""
    paths = {name for name in ("conditions", "actions") if body.get(name)}
    for medium, part in (body.get("mediaPolicies") or {}).items():
        if part and medium not in _MEDIA.values():
            paths.add(medium)
        elif part:
            paths |= {f"{medium}.conditions.{name}" for name in _foreign_conditions(part)}
            for name, kept in _foreign_actions(part).items():
                inside = [f".{key}" for key in kept] if name in _OUR_ACTIONS else [""]
                paths |= {f"{medium}.actions.{name}{key}" for key in inside}
    return frozenset(paths)


def parts(body: JSON) -> list[JSON]:
    return [part for part in (body.get("mediaPolicies") or {}).values() if part]


def exported_to(body: JSON) -> list[JSON]:
    """The references to integrations in a policy, to read or to change."""
    exports = [(part.get("actions") or {}).get("integrationExport") or {} for part in parts(body)]
    return [export["integration"] for export in exports if export.get("integration")]


def delete_days(body: JSON) -> int | None:
    """After how many days Genesys deletes its own copy: the shortest of all media; None where none says it."""
    return min((days for part in parts(body) if (days := _delete_days(part)) is not None), default=None)


def matches_everything(body: JSON) -> bool:
    """Whether a medium is matched without any condition."""
    return any(not _narrowing(part.get("conditions")) for part in parts(body)) and not _narrowing(
        body.get("conditions")
    )


def policy_values(body: JSON) -> JSON:
    """The values of a `RecordingPolicy`. Raises InvalidInput when the media differ, as an onboarding has one policy."""
    media = {name: part for name in _MEDIA if (part := (body.get("mediaPolicies") or {}).get(_MEDIA[name]))}
    retentions = [(_delete_days(part), part.get("conditions") or {}) for part in media.values()]
    if not retentions or any(other != retentions[0] for other in retentions) or retentions[0][0] is None:
        raise InvalidInput(
            f"Policy {body.get('name')} cannot be said in one onboarding",
            cause="its media have no retention, or different retentions or conditions",
            fix="write the file by hand: opslib init --backend platform",
        )
    days, conditions = retentions[0]
    exports = [(part.get("actions") or {}).get("integrationExport") or {} for part in media.values()]
    screen = ("screen",) if any(export.get("shouldExportScreenRecordings") for export in exports) else ()
    ids = {ours: tuple(entity["id"] for entity in conditions.get(theirs) or ()) for ours, theirs in _REFERENCES.items()}
    values = {ours: tuple(conditions.get(theirs) or ()) for ours, theirs in _VALUES.items()}
    return {
        "name": body["name"],
        "recording_types": (*media, *screen),
        "retention_days": days,
        "enabled": body.get("enabled", False),
        **({"conditions": ids | values} if any((ids | values).values()) else {"all_interactions": True}),
    }


def by_reference(conditions: JSON) -> JSON:
    """Conditions whose references have only their id: the rest belongs to what they refer to."""
    return {
        name: [{"id": item["id"]} if isinstance(item, dict) and "id" in item else item for item in value]
        if isinstance(value, list)
        else value
        for name, value in conditions.items()
    }


def _conditions(conditions: PolicyConditions) -> JSON:
    named: dict[str, Any] = {
        theirs: [{"id": id} for id in getattr(conditions, ours)] for ours, theirs in _REFERENCES.items()
    }
    named |= {theirs: list(getattr(conditions, ours)) for ours, theirs in _VALUES.items()}
    return {name: value for name, value in named.items() if value}


def _part_over(existing: JSON, part: JSON) -> JSON:
    actions, conditions = dict(part["actions"]), _foreign_conditions(existing) | part.get("conditions", {})
    for name, kept in _foreign_actions(existing).items():
        actions[name] = {**kept, **actions[name]} if name in _OUR_ACTIONS else kept
    return {"actions": actions, **({"conditions": conditions} if conditions else {})}


def _foreign_conditions(part: JSON) -> JSON:
    conditions = part.get("conditions") or {}
    return {name: value for name, value in conditions.items() if value and name not in _OUR_CONDITIONS}


def _foreign_actions(part: JSON) -> JSON:
    foreign_actions: JSON = {}
    for name, action in (part.get("actions") or {}).items():
        if (ours := _OUR_ACTIONS.get(name, frozenset())) is None:
            continue
        kept = {key: value for key, value in action.items() if key not in ours and value} if ours and action else action
        if kept:
            foreign_actions[name] = kept
    return foreign_actions


def _narrowing(conditions: JSON | None) -> JSON:
    """The conditions that match only some interactions; a time without slots is any time."""
    return {
        name: value
        for name, value in (conditions or {}).items()
        if value and not (name == "timeAllowed" and not value.get("timeSlots"))
    }


def _delete_days(part: JSON) -> int | None:
    duration = (part.get("actions") or {}).get("retentionDuration") or {}
    return (duration.get("deleteRetention") or {}).get("days")
