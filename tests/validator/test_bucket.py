"""A whole bucket against a profile: the shared answers, the canary, profiles, permissions, and the command."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opslib.errors import InvalidInput
from opslib.models import RoleReference
from opslib.validator.bucket import check_bucket, check_buckets
from opslib.validator.checks import CHECKS
from opslib.validator.look import Wanted
from opslib.validator.permissions import for_checks, for_writer, terraform, trust
from opslib.validator.profiles import BUILT_IN, load_profile
from opslib.validator.render import as_html, as_text

from ..world import Sandbox, environment, without_settings
from .buckets import ACTIONS, finding, keys_of, only, planted


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def test_the_sandboxes_bucket_passes_the_baseline(sandbox: Sandbox) -> None:
    """At 365 days; what does not apply is not passed but left open, with its reason."""
    keys = keys_of(sandbox)
    wanted = Wanted(sandbox["bucket"], sandbox["region"], prefix="recordings/voice", retention_days=365, writer=keys)
    told: list[tuple[int, int, str]] = []
    report = await check_bucket(wanted, load_profile("baseline"), keys, lambda *one: told.append(one))
    assert report.verdict == "PASS"
    assert not {"FAIL", "UNKNOWN"} & report.counts().keys()
    assert [done for done, _, _ in told] == list(range(1, len(report.findings) + 1))
    assert {total for _, total, _ in told} == {len(report.findings)}
    assert json.loads(json.dumps(report.as_json()))["findings"][0]["evidence"][0]["call"] == "HeadBucket"


async def test_no_call_is_made_twice(sandbox: Sandbox) -> None:
    """Several checks share one answer; many buckets are asked at once, in order."""
    keys = keys_of(sandbox)
    names = [sandbox["bucket"], "no-such-bucket-1", "no-such-bucket-2"]
    many = [Wanted(name, sandbox["region"], retention_days=365, writer=keys) for name in names]
    sandbox.control("DELETE", "/requests")
    reports = await check_buckets(many, only(*(set(CHECKS) - {"account-public-access-block"})), keys)
    assert [report.wanted.bucket for report in reports] == names
    asked = Counter((r["method"], r["path"], r.get("query", "")) for r in sandbox.requests("s3"))
    assert asked
    of_buckets = {key: n for key, n in asked.items() if key[1] != "/"}  # IAM, STS and KMS are all POST /
    assert max(of_buckets.values()) == 1
    assert reports[1].verdict == "UNKNOWN"


@pytest.mark.parametrize("lock", [False, True])
async def test_the_canary_leaves_nothing_behind(sandbox: Sandbox, lock: bool) -> None:
    """No object, no version, no upload: also where COMPLIANCE would keep an object for years."""
    with planted(sandbox, lock=lock) as bucket:
        if lock:
            bucket.lock("COMPLIANCE", 3650)
        found = await finding(sandbox, "writer", bucket.name, prefix="recordings/voice", encryption="AES256")
        assert (found.verdict, "taken back" in found.cause) == ("PASS", True)
        assert bucket.s3.list_objects_v2(Bucket=bucket.name)["KeyCount"] == 0
        assert not bucket.s3.list_object_versions(Bucket=bucket.name).get("Versions")
        assert not bucket.s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads")
        assert [one.call for one in found.evidence][:1] == ["CreateMultipartUpload"]


async def test_a_key_that_may_not_write_fails(sandbox: Sandbox) -> None:
    """Here a refusal is the answer. An upload that cannot be taken back is named."""
    reader = keys_of(sandbox, [one for one in ACTIONS if one != "s3:PutObject"])
    found = await finding(sandbox, "writer", sandbox["bucket"], keys=reader)
    assert (found.verdict, "s3:PutObject is missing" in found.cause) == ("FAIL", True)
    stuck = keys_of(sandbox, [one for one in ACTIONS if one != "s3:AbortMultipartUpload"])
    found = await finding(sandbox, "writer", sandbox["bucket"], keys=stuck)
    assert (found.verdict, "could not be taken back" in found.cause) == ("FAIL", True)
    s3 = sandbox.s3()
    for upload in s3.list_multipart_uploads(Bucket=sandbox["bucket"])["Uploads"]:
        assert upload["UploadId"] in found.cause
        s3.abort_multipart_upload(Bucket=sandbox["bucket"], Key=upload["Key"], UploadId=upload["UploadId"])


@pytest.mark.parametrize("name", BUILT_IN)
async def test_every_profile_of_the_kit(sandbox: Sandbox, name: str) -> None:
    """Each row has a source; the bounds are those of the rule; a run of it works."""
    profile = load_profile(name)
    assert profile.name == name
    assert all(row.source for row in profile.checks.values())
    keys = keys_of(sandbox)
    wanted = Wanted(sandbox["bucket"], sandbox["region"], retention_days=30, writer=keys)
    report = await check_bucket(wanted, profile, keys)
    bounds = [one for one in report.findings if one.check == "retention-bounds"]
    assert [one.verdict for one in bounds] == ([] if name == "baseline" else ["FAIL"])
    assert {finding.source for finding in report.findings} == {row.source for row in profile.checks.values()}


async def test_without_a_lock_a_worm_profile_is_unknown(sandbox: Sandbox) -> None:
    """The rule also accepts an audit trail, which no bucket shows: neither FAIL nor PASS."""
    keys = keys_of(sandbox)
    wanted = Wanted(sandbox["bucket"], sandbox["region"], retention_days=1096, writer=keys)
    report = await check_bucket(wanted, load_profile("sec-17a-4"), keys)
    (lock,) = [one for one in report.findings if one.check == "object-lock"]
    assert (lock.verdict, "audit trail" in lock.cause) == ("UNKNOWN", True)


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    """YAML with the same fields; a mistake is named with its field."""
    file = tmp_path / "ours.yaml"
    file.write_text(
        "name: ours\ntitle: Ours\nas_of: 2026-01-01\nnote: n\nretention: {max_days: 90, source: our rule}\n"
        "checks: {tls-only: {level: WARN, source: our rule}}\n"
    )
    assert load_profile(str(file)).retention.max_days == 90
    for wrong in ("tls-onyl: {level: WARN, source: s}", "tls-only: {level: MAYBE, source: s}"):
        file.write_text(file.read_text().rsplit("checks:", 1)[0] + f"checks: {{{wrong}}}\n")
        with pytest.raises(InvalidInput) as caught:
            load_profile(str(file))
        assert "checks" in caught.value.cause
    file.write_text("name: [")
    with pytest.raises(InvalidInput, match="no YAML"):
        load_profile(str(file))
    with pytest.raises(InvalidInput, match="no profile"):
        load_profile("../baseline")


async def test_the_generated_policy_is_enough_and_no_more(sandbox: Sandbox) -> None:
    """A user with just these actions runs every check of the profile; without any one of them, one is UNKNOWN."""
    profile = load_profile("baseline")
    wanted = Wanted(sandbox["bucket"], sandbox["region"], prefix="recordings", retention_days=365)
    statements = for_checks(wanted, profile)["Statement"]
    actions = [action for one in statements for action in one["Action"]]
    keys = keys_of(sandbox, actions)
    report = await check_bucket(wanted, profile, keys)
    assert "UNKNOWN" not in report.counts()
    assert {one["Resource"] for one in statements} == {wanted.arn, f"{wanted.arn}/recordings/*", "*"}
    assert not [action for action in actions if "*" in action]
    fewer = keys_of(sandbox, [action for action in actions if action != "s3:GetBucketAcl"])
    assert (await check_bucket(wanted, profile, fewer)).counts()["UNKNOWN"] == 1


def test_the_writers_documents() -> None:
    """Below the prefix only, and only with the external id."""
    wanted = Wanted("b", "us-east-1", prefix="recordings")
    write, *_ = for_writer(wanted, "arn:aws:kms:us-east-1:123456789012:key/k")["Statement"]
    assert write["Resource"] == "arn:aws:s3:::b/recordings/*"
    assert "kms:GenerateDataKey" in json.dumps(for_writer(wanted, "arn:aws:kms:us-east-1:123456789012:key/k"))
    assert "kms:" not in json.dumps(for_writer(wanted))
    role = RoleReference(role_arn="arn:aws:iam::123456789012:role/R", external_id="org-1")
    (statement,) = trust(role)["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "org-1"}}


def test_terraform_for_a_profile() -> None:
    """Whole resources, with the bucket's name; the lock only where the profile asks for it."""
    wanted = Wanted("our-recordings", "us-east-1", retention_days=1096)
    plain, strict = terraform(wanted, load_profile("baseline")), terraform(wanted, load_profile("sec-17a-4"))
    for text in (plain, strict):
        assert text.count("{") == text.count("}")
        assert "BUCKET" not in text
        assert "policy = data.aws_iam_policy_document.tls_only.json" in text
    assert "object_lock" not in plain
    assert "days = 1096" in strict
    assert "object_lock_enabled = true" in strict


async def test_findings_read_well_and_hold_no_markup(sandbox: Sandbox) -> None:
    """Worst first, icon and word, the fix at hand; what a server says is text."""
    keys = keys_of(sandbox)
    with planted(sandbox) as bucket:
        bucket.lifecycle({"ID": "<script>alert(1)</script>", "Expiration": {"Days": 1}})
        wanted = Wanted(bucket.name, sandbox["region"], retention_days=365, writer=keys)
        report = (await check_bucket(wanted, load_profile("baseline"), keys)).as_json()
    lines = as_text(report).splitlines()
    assert lines[0].endswith("baseline: FAIL")
    assert "✖ FAIL" in lines[1]
    assert any(line.strip().startswith("Fix: ") for line in lines)
    page = as_html(report).html
    assert "<script" not in page
    assert "<summary>details of tls-only</summary>" in page
    assert "aws s3api put-public-access-block --bucket planted-bucket" in page
    assert page.index("FAIL") < page.index("PASS")


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return without_settings() | environment(sandbox, tmp_path / "home")


def opslib(env: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "opslib.cli", "check-bucket", *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)


def test_the_command(env: dict[str, str], sandbox: Sandbox) -> None:
    """Exit 0 without FAIL and UNKNOWN, else 1; one JSON document; several buckets with progress."""
    good = opslib(env, sandbox["bucket"], "--retention-days", "365", "--json")
    assert (good.returncode, json.loads(good.stdout)["verdict"], good.stderr) == (0, "PASS", "")
    with planted(sandbox) as bucket:
        bad = opslib(env, bucket.name)
        assert (bad.returncode, "✖ FAIL" in bad.stdout) == (1, True)
        both = opslib(env, sandbox["bucket"], bucket.name, "--json")
        assert (both.returncode, [one["verdict"] for one in json.loads(both.stdout)["buckets"]]) == (
            1,
            ["PASS", "FAIL"],
        )
        assert "40 of 40 checks" in opslib(env, sandbox["bucket"], bucket.name).stderr
    assert opslib(env, "no-such-bucket-anywhere").returncode == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Not_A_Bucket"], "not an S3 bucket name"),
        (["a-bucket", "--region", "atlantis-1"], "AWS has no region"),
        (["a-bucket", "--profile", "nope"], "There is no profile nope"),
        (["a-bucket", "--retention-days", "0"], "Usage error"),
        ([], "Usage error"),
    ],
)
def test_bad_input_asks_nothing(env: dict[str, str], sandbox: Sandbox, words: list[str], says: str) -> None:
    """Said with cause and fix before anything is sent."""
    sandbox.control("DELETE", "/requests")
    done = opslib(env, *words)
    assert (done.returncode, says in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    assert sandbox.requests() == []


@pytest.mark.parametrize("document", ["checks", "writer", "terraform"])
def test_documents_are_printed_without_asking(env: dict[str, str], sandbox: Sandbox, document: str) -> None:
    """Copyable as they are."""
    sandbox.control("DELETE", "/requests")
    done = opslib(env, "our-recordings", "--print", document, "--prefix", "recordings")
    assert (done.returncode, "our-recordings" in done.stdout) == (0, True)
    if document != "terraform":
        assert json.loads(done.stdout)["Version"] == "2012-10-17"
    assert sandbox.requests() == []


async def test_no_secret_in_findings(sandbox: Sandbox) -> None:
    """Neither in what is kept nor in what is shown."""
    keys = keys_of(sandbox)
    report = await check_bucket(
        Wanted(sandbox["bucket"], sandbox["region"], writer=keys), load_profile("baseline"), keys
    )
    said: Any = f"{report!r}{report.as_json()}{as_text(report.as_json())}{as_html(report.as_json()).html}"
    assert sandbox["aws_secret_access_key"] not in said
    assert os.environ["AWS_ENDPOINT_URL_S3"] == sandbox["s3_url"]
