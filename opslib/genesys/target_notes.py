"""What there is to say about a target and is not a change, in words (platform only)."""

from collections.abc import Iterator, Sequence

from opslib.genesys.backend import JSON
from opslib.genesys.policies import exported_to


def replacement_words(other: JSON, policies: Sequence[JSON], target: str) -> Iterator[str]:
    """Another active integration, what exports through it, and what to do about it."""
    through = [
        f"{policy['name']} ({'enabled' if policy.get('enabled') else 'not enabled'})"
        for policy in policies
        if any(reference.get("id") == other["id"] for reference in exported_to(policy))
    ]
    name = other["name"]
    yield (
        f"integration {name} ({other['id']}) is active, and an org has one active integration that exports recordings. "
        + (f"Policies that export through it: {', '.join(through)}" if through else "No policy exports through it")
    )
    yield (
        f"to use integration {name}, set target.name to {name}. To replace it, allow replace-active-integration: it is "
        f"switched off just before {target} is switched on, its policies then export nothing, and a rollback switches "
        "it on again"
    )


def state_words(existing: JSON) -> Iterator[str]:
    reported = existing.get("reportedState") or {}
    if reported.get("code") == "ERROR":
        words = (reported.get("detail") or {}).get("message") or "without an explanation"
        yield f"Genesys reports ERROR: {words}. Recordings are not exported"


def public_key_words(names: Sequence[str], properties: JSON) -> Iterator[str]:
    for name in names:
        if properties.get(name):
            yield (
                f"{name} holds a public key, which opslib leaves as it is: recordings are encrypted with it. What that "
                "does to their file names is not known"
            )
        else:
            yield f"{name} takes an optional public key to encrypt recordings with; opslib does not set it"


def credential_words(credentials: JSON) -> Iterator[str]:
    for reference in credentials.values():
        if "name" in reference:
            yield (
                f"the role is in the credential “{reference['name']}”. A credential cannot be read back, so whether it "
                "still holds this role is UNKNOWN; --rotate-credentials writes it again"
            )
        else:
            yield (
                f"the role is in the credential {reference['id']}, which opslib did not make and cannot read. Whether "
                "it is target.credentials.role_arn is UNKNOWN; --rotate-credentials puts a credential of opslib in its "
                "place"
            )
