"""A body as it is compared and restored: without what the server owns, and with lists in order."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from opslib.genesys.backend import JSON
from opslib.genesys.policies import by_reference, exported_to, parts
from opslib.onboarding.models import BackendName

# Fields of the contract's objects that the server sets and that must not be sent.
_SERVER_OWNED = frozenset({"id", "version", "dateCreated", "dateModified", "selfUri"})

# On platform: the fields of an object that an onboarding sets; the others belong to somebody else and stay as they are.
PLATFORM_OURS = frozenset(
    {"name", "description", "enabled", "mediaPolicies", "conditions", "actions"}
    | {"integrationType", "intendedState", "properties", "notes", "credentials", "unusedCredentials"}
)
# Fields that the server sets and that must not be sent.
PLATFORM_SERVER_OWNED = frozenset(
    {"id", "version", "selfUri", "createdDate", "modifiedDate", "policyErrors", "reportedState", "attributes", "config"}
)


def comparable(backend: BackendName, body: JSON) -> JSON:
    """The body in the one form in which equal objects are equal, whichever backend's it is."""
    return _COMPARABLE[backend](body)


def storage_targets_writable(body: JSON) -> JSON:
    return {key: value for key, value in body.items() if key not in _SERVER_OWNED}


def storage_targets_comparable(body: JSON) -> JSON:
    return {
        key: sorted(value, key=json.dumps) if isinstance(value, list) else value
        for key, value in storage_targets_writable(body).items()
    }


def platform_writable(body: JSON) -> JSON:
    kept = copy.deepcopy({key: value for key, value in body.items() if key not in PLATFORM_SERVER_OWNED})
    for part in [*parts(kept), kept]:
        if part.get("conditions"):
            part["conditions"] = by_reference(part["conditions"])
    for reference in [*exported_to(kept), *([kept["integrationType"]] if "integrationType" in kept else [])]:
        name = "id" if "id" in reference else "name"
        for key in reference.keys() - {name}:
            del reference[key]
    return kept


def platform_comparable(body: JSON) -> JSON:
    normal: JSON = _normal({key: value for key, value in platform_writable(body).items() if key in PLATFORM_OURS})
    return normal


def of_others(backend: BackendName, body: JSON) -> JSON:
    """The fields of a body that no onboarding sets: they are not compared, and stay as they are."""
    return {key: value for key, value in body.items() if key not in PLATFORM_OURS} if backend == "platform" else {}


_COMPARABLE: Mapping[BackendName, Callable[[JSON], JSON]] = {
    "storage-targets": storage_targets_comparable,
    "platform": platform_comparable,
}


def _normal(value: Any) -> Any:
    """Lists in order, without null and empty values: a server may fill those in for what was left out."""
    if isinstance(value, dict):
        fields = {key: _normal(field) for key, field in value.items()}
        return {key: field for key, field in fields.items() if field not in (None, "", {}, [])}
    return sorted((_normal(item) for item in value), key=plain) if isinstance(value, list) else value


def plain(value: Any) -> str:
    """A value as text that orders and compares."""
    return json.dumps(value, sort_keys=True)
