"""Whether S3 can use the bucket's KMS key, and until when; what is said of a key that never rotates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ..world import Sandbox
from .buckets import ACCOUNT, finding, kms_says, planted

ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{ID}"
OTHERS = f"arn:aws:kms:us-east-1:210987654321:key/{ID}"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def described(arn: str = KEY, **changes: Any) -> dict[str, Any]:
    key = {"KeyId": ID, "Arn": arn, "AWSAccountId": arn.split(":")[4], "KeyState": "Enabled", "KeyManager": "CUSTOMER"}
    kind = {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS"}
    return {"KeyMetadata": key | kind | changes}


def imported(days: int) -> dict[str, Any]:
    model = {"Origin": "EXTERNAL", "ExpirationModel": "KEY_MATERIAL_EXPIRES"}
    return described(ValidTo=NOW + timedelta(days=days), **model)


def day(days: int) -> str:
    return (NOW + timedelta(days=days)).date().isoformat()


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])
    monkeypatch.setattr("opslib.validator.inspection.Inspection.today", NOW.date())


RSA = described(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
RSA_ENCRYPTS = described(KeySpec="RSA_4096", KeyUsage="ENCRYPT_DECRYPT")
HMAC = described(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")


@pytest.mark.parametrize(
    ("named", "answer", "wanted", "word", "says"),
    [
        (KEY, described(), {}, "PASS", "symmetric, enabled, and in the bucket's region"),
        (ID, described(), {}, "PASS", "enabled"),
        ("alias/recordings", described(), {}, "PASS", "enabled"),
        (KEY, described(KeyState="Updating"), {}, "PASS", "enabled"),
        (KEY, described(MultiRegion=True), {}, "PASS", "enabled"),
        # kinds that S3 cannot use
        (KEY, RSA, {}, "FAIL", "RSA_2048 for SIGN_VERIFY"),
        (KEY, RSA_ENCRYPTS, {}, "FAIL", "symmetric keys only: every upload fails"),
        (KEY, HMAC, {}, "FAIL", "HMAC_256"),
        (KEY, described(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"), {}, "FAIL", "ECC_NIST_P256"),
        # states
        (KEY, described(KeyState="Disabled"), {}, "FAIL", "the key is disabled"),
        (KEY, described(KeyState="PendingDeletion", DeletionDate=NOW + timedelta(days=7)), {}, "FAIL", day(7)),
        (KEY, described(KeyState="PendingReplicaDeletion"), {}, "FAIL", "once its replicas are gone"),
        (KEY, described(KeyState="PendingImport", Origin="EXTERNAL"), {}, "FAIL", "no key material"),
        (KEY, described(KeyState="Unavailable", Origin="AWS_CLOUDHSM"), {}, "FAIL", "key store"),
        (KEY, described(KeyState="Creating"), {}, "FAIL", "being created"),
        (KEY, {"KeyMetadata": {"KeyId": ID, "Arn": KEY}}, {}, "UNKNOWN", "does not say"),
        # AWS's own key, by any name
        (KEY, described(KeyManager="AWS"), {}, "WARN", "aws/s3"),
        (ID, described(KeyManager="AWS"), {}, "WARN", "aws/s3"),
        ("alias/aws/s3", None, {}, "WARN", "aws/s3"),
        (f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/aws/s3", None, {}, "WARN", "aws/s3"),
        # material that expires
        (KEY, imported(30), {"retention_days": 365}, "FAIL", f"expires on {day(30)}"),
        (KEY, imported(364), {"retention_days": 365}, "FAIL", f"must stay until {day(365)}"),
        (KEY, imported(-1), {}, "FAIL", f"expires on {day(-1)}"),
        (KEY, imported(366), {"retention_days": 365}, "WARN", f"imported again before {day(1)}"),
        (KEY, imported(30), {}, "WARN", f"expires on {day(30)}"),
        (KEY, described(Origin="EXTERNAL", ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE"), {}, "PASS", "enabled"),
        # elsewhere
        (KEY.replace("us-east-1", "eu-west-1"), None, {}, "FAIL", "the key is in eu-west-1"),
        (OTHERS, described(OTHERS), {"owner": ACCOUNT}, "WARN", "belongs to account 210987654321"),
        (OTHERS, described(OTHERS), {}, "WARN", "belongs to account 210987654321"),
        (OTHERS, "NotFoundException", {}, "FAIL", "no such key"),
        (OTHERS, "AccessDeniedException", {}, "UNKNOWN", "kms:DescribeKey"),
    ],
)
async def test_whether_s3_can_use_the_key(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    answer: Any,
    wanted: dict[str, Any],
    word: str,
    says: str,
) -> None:
    """As KMS describes it; in every profile what stops uploads or reading fails."""
    kms_says(monkeypatch, *([("describe_key", answer, {"KeyId": named})] if answer else []))
    with planted(sandbox) as bucket:
        bucket.encryption("aws:kms:dsse" if named == ID else "aws:kms", named)
        found = await finding(sandbox, "kms-key", bucket.name, **wanted)
    assert (found.verdict, says in found.cause) == (word, True), found.cause


async def test_a_key_as_kms_makes_it(sandbox: Sandbox) -> None:
    """A signing key, a disabled one and one that is to be deleted, of a real server."""
    kms = sandbox.s3(service="kms")
    with planted(sandbox) as bucket:
        for usage, spec, says in (
            ("SIGN_VERIFY", "RSA_2048", "RSA_2048"),
            ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "deletes it on"),
        ):
            key = kms.create_key(KeyUsage=usage, KeySpec=spec)["KeyMetadata"]
            bucket.encryption("aws:kms", key["Arn"])
            assert ((await finding(sandbox, "kms-key", bucket.name)).verdict == "PASS") == (usage != "SIGN_VERIFY")
            kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
            found = await finding(sandbox, "kms-key", bucket.name)
            assert (found.verdict, says in found.cause) == ("FAIL", True), found.cause


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (RSA, "not a symmetric encryption key"),
        (described(Origin="EXTERNAL"), "its material was imported"),
        (described(Origin="AWS_CLOUDHSM"), "custom key store"),
        (described(Origin="EXTERNAL_KEY_STORE"), "custom key store"),
    ],
)
async def test_a_key_that_kms_never_rotates(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, key: Any, says: str
) -> None:
    """Nobody can switch it on, so the fix does not say so, and KMS is not asked."""
    kms_says(monkeypatch, ("describe_key", key, {"KeyId": KEY}))
    with planted(sandbox) as bucket:
        bucket.encryption("aws:kms", KEY)
        found = await finding(sandbox, "kms-rotation", bucket.name)
    assert (found.verdict, says in found.cause, found.cli) == ("FAIL", True, ""), found.cause
    assert "Rotate the key yourself" in found.fix
