"""Whether there is a second copy of every recording: the rules, the encryption, and the buckets that are named."""

from typing import Any

import pytest

from opslib.validator.replication import copies

from ..world import Sandbox
from .buckets import ACTIONS, Planted, finding, keys_of, planted

ORG = "6513270e-269e-4d37-b2a7-4de452e6b438/"
SELECTED = {"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}}
KEY = {"EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:eu-west-1:123456789012:key/k"}}


def rule(destination: str = "copy", *, status: str = "Enabled", key: bool = False, **more: Any) -> dict[str, Any]:
    where = {"Bucket": f"arn:aws:s3:::{destination}"} | (KEY if key else {})
    return {"ID": "r", "Status": status, "Destination": where} | more


def below(prefix: str) -> dict[str, Any]:
    return {"Filter": {"Prefix": prefix}}


TAG = {"Filter": {"Tag": {"Key": "copy", "Value": "yes"}}}
AND_TAGS = {"Filter": {"And": {"Prefix": "", "Tags": [{"Key": "copy", "Value": "yes"}]}}}


@pytest.mark.parametrize(
    ("rules", "place", "kms", "destinations", "gaps"),
    [
        ([rule()], ORG, False, ("copy",), ""),
        ([rule(**below(""))], None, False, ("copy",), ""),
        ([rule(Prefix="")], ORG, False, ("copy",), ""),
        ([rule(Prefix="recordings/")], ORG, False, (), "below recordings/, where no recording goes"),
        ([rule(**below(ORG))], ORG, False, ("copy",), ""),
        ([rule(**below(f"{ORG}year=2026/"))], ORG, False, (), "copies only what goes below"),
        ([rule(**below("recordings/"))], None, False, (), "copies only what goes below recordings/"),
        ([rule(**TAG)], ORG, False, (), "copies only what has its tags"),
        ([rule(**AND_TAGS)], None, False, (), "copies only what has its tags"),
        ([rule(status="Disabled")], ORG, False, (), ""),
        # encrypted with KMS
        ([rule()], ORG, True, (), "SseKmsEncryptedObjects"),
        ([rule(key=True)], ORG, True, (), "SseKmsEncryptedObjects"),
        ([rule(**SELECTED)], ORG, True, (), "ReplicaKmsKeyID"),
        ([rule(key=True, **SELECTED)], ORG, True, ("copy",), ""),
        (
            [rule(key=True, SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Disabled"}})],
            ORG,
            True,
            (),
            "SseKmsEncryptedObjects",
        ),
        # the highest priority decides for one destination, and each destination for itself
        ([rule(Priority=2), rule(Priority=1, key=True, **SELECTED)], ORG, True, (), "SseKmsEncryptedObjects"),
        ([rule(Priority=1), rule(Priority=2, key=True, **SELECTED)], ORG, True, ("copy",), ""),
        (
            [rule(Priority=3, **below(f"{ORG}year=2026/")), rule(Priority=1, key=True, **SELECTED)],
            ORG,
            True,
            (),
            "SseKmsEncryptedObjects",
        ),
        ([rule("a"), rule("b", key=True, **SELECTED)], ORG, True, ("b",), "SseKmsEncryptedObjects"),
        ([rule(Priority=2, **TAG), rule(Priority=1)], ORG, False, ("copy",), "has its tags"),
    ],
)
def test_which_rules_copy_recordings(
    rules: list[Any], place: str | None, kms: bool, destinations: tuple[str, ...], gaps: str
) -> None:
    """To these buckets every one; of the other rules, why they do not."""
    found = copies(rules, place, kms=kms)
    assert found.destinations == destinations
    assert gaps in "; ".join(found.gaps)
    assert bool(found.gaps) == bool(gaps)


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


# What S3 says of the encryption and of the rule at once; moto forgets SourceSelectionCriteria.
BOTH = (
    "<Both><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
    "</ApplyServerSideEncryptionByDefault><Status>Enabled</Status><SourceSelectionCriteria><SseKmsEncryptedObjects>"
    "<Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><Destination>"
    "<Bucket>arn:aws:s3:::{}</Bucket><EncryptionConfiguration><ReplicaKmsKeyID>k</ReplicaKmsKeyID>"
    "</EncryptionConfiguration></Destination></Rule></Both>"
)


def with_kms(bucket: Planted) -> None:
    bucket.answers(BOTH.format(bucket.copy()), "encryption", "replication")


@pytest.mark.parametrize(
    ("prepare", "word", "says"),
    [
        (lambda b: b.replicate(), "PASS", "replicated to planted-bucket-copy"),
        (with_kms, "PASS", "replicated to planted-bucket-copy"),
        (lambda b: (b.kms(), b.replicate()), "FAIL", "SseKmsEncryptedObjects"),
        (lambda b: (b.encryption("aws:kms:dsse"), b.replicate()), "FAIL", "SseKmsEncryptedObjects"),
        (lambda b: b.replicate(b.copy(region="us-east-1")), "WARN", "in the same region"),
        (lambda b: b.replicate("no-such-bucket-anywhere"), "FAIL", "no-such-bucket-anywhere is not there"),
        (lambda b: b.replicate(b.copy(versioned=False)), "FAIL", "planted-bucket-copy has no versioning"),
    ],
)
async def test_whether_the_copy_can_arrive(sandbox: Sandbox, prepare: Any, word: str, says: str) -> None:
    """The bucket that is named must be there, apart, and with versions."""
    with planted(sandbox) as bucket:
        prepare(bucket)
        found = await finding(sandbox, "replication", bucket.name)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


@pytest.mark.parametrize(
    ("lock", "word", "says"), [(True, "PASS", "replicated"), (False, "FAIL", "has no Object Lock")]
)
async def test_a_locked_bucket_is_copied_into_locked_ones_only(
    sandbox: Sandbox, lock: bool, word: str, says: str
) -> None:
    """S3 User Guide, replication failure reasons: DstBucketObjectLockConfigMissing."""
    with planted(sandbox, lock=True) as bucket:
        bucket.replicate(bucket.copy(lock=lock))
        found = await finding(sandbox, "replication", bucket.name)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


@pytest.mark.parametrize("action", ["s3:GetBucketLocation", "s3:GetBucketVersioning"])
async def test_a_destination_that_we_may_not_ask_about_is_unknown(sandbox: Sandbox, action: str) -> None:
    """As in another account; the permission is named."""
    with planted(sandbox) as bucket:
        bucket.replicate()
        keys = keys_of(sandbox, [one for one in ACTIONS if one != action])
        found = await finding(sandbox, "replication", bucket.name, keys=keys)
    assert (found.verdict, found.action) == ("UNKNOWN", action), found


async def test_a_target_that_wants_kms_needs_it_in_the_rule(sandbox: Sandbox) -> None:
    """What Genesys encrypts with KMS counts, whatever the bucket's default is."""
    with planted(sandbox) as bucket:
        bucket.encryption("AES256")
        bucket.replicate()
        found = await finding(sandbox, "replication", bucket.name, encryption="aws:kms")
    assert (found.verdict, "SseKmsEncryptedObjects" in found.cause) == ("FAIL", True)
