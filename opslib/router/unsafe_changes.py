"""Which changes are unsafe: each needs consent by its name, and a reason."""

from collections.abc import Iterator

from opslib.genesys.backend import Meaning

# More objects than this at once is more than one onboarding has: a wrong file, or a wrong folder.
MANY = 10

# What each kind of unsafe change means, in words. The names are what a user allows.
UNSAFE = {
    "bucket-change": "recordings will go to another bucket; those already written stay where they are",
    "region-change": "recordings will go to another region; laws on where they may be kept can differ",
    "shorter-retention": "recordings will be removed earlier than now",
    "disable": "what is switched off no longer keeps or announces recordings",
    "delete": "the object will be gone; recordings already written stay in the bucket",
    "adopt": "opslib did not make this object; it will be changed, and kept as the onboarding says",
    "all-interactions": "the policy will match every interaction in the org, those of other teams, too",
    "foreign-removal": "what somebody else added to the policy will be gone with its medium",
    "credential-change": "Genesys will write with other credentials; a rollback cannot bring back the secret of an old "
    "AWS key",
    "replace-active-integration": "another integration that exports recordings will be switched off; the policies that "
    "export through it will export nothing",
    "many": f"more than {MANY} objects would change at once",
    "failed-validation": "the bucket did not pass its validation",
    "sensitive-recordings": "recordings with payment or personal data will leave Genesys for the bucket",
}


def unsafe_changes(before: Meaning | None, after: Meaning | None) -> Iterator[str]:
    """What is unsafe in going from one to the other, by name; None where there is no object."""
    if after is None:
        yield "delete"
    if before and not before.ours:
        yield "adopt"
    if after and after.everything and not (before and before.everything):
        yield "all-interactions"
    if before is None or after is None:
        return
    if before.bucket != after.bucket:
        yield "bucket-change"
    if before.region != after.region:
        yield "region-change"
    if shrinks(before, after):
        yield "shorter-retention"
    if before.foreign - after.foreign:
        yield "foreign-removal"
    if before.enabled and not after.enabled:
        yield "disable"
    if before.access != after.access:
        yield "credential-change"


def shrinks(before: Meaning, after: Meaning) -> bool:
    """Whether recordings would be removed earlier than now."""
    old, new = before.retention_days, after.retention_days
    return old is not None and new is not None and new < old
