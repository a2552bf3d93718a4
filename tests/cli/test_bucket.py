"""`opslib check-bucket` as a process: exit codes, one JSON document, progress, documents, and no traceback."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from opslib.credentials import usual_keys

from .. import forks
from ..aws_profiles import REFUSED, SIGN_ON, use_profile
from ..validator.buckets import ACCOUNT, keys_of, planted
from ..world import Sandbox, environment, without_settings


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return without_settings() | environment(sandbox, tmp_path / "home")


def opslib(env: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    done = forks.opslib(env, "check-bucket", *words)
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.mark.slow
def test_exit_codes_and_json(env: dict[str, str], sandbox: Sandbox) -> None:
    """0 without FAIL and UNKNOWN, else 1; one JSON document for one bucket, and for several; progress for many."""
    good = opslib(env, sandbox["bucket"], "--retention-days", "365", "--json")
    assert (good.returncode, json.loads(good.stdout)["verdict"], good.stderr) == (0, "PASS", "")
    with planted(sandbox) as bucket:
        bad = opslib(env, bucket.name)
        assert (bad.returncode, "✖ FAIL" in bad.stdout, bad.stderr) == (1, True, "")
        both = opslib(env, sandbox["bucket"], bucket.name, "--json")
        assert (both.returncode, [one["verdict"] for one in json.loads(both.stdout)["buckets"]]) == (
            1,
            ["PASS", "FAIL"],
        )
        assert both.stderr == ""
        told = opslib(env, *[sandbox["bucket"], bucket.name] * 2)
        assert told.stderr == ""  # progress is for a terminal
        assert told.stdout.splitlines()[-2:] == [f"PASS    {sandbox['bucket']}", f"FAIL    {bucket.name}"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "not-the-secret-of-this-key-0123456789"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODYATALL00000"}, "InvalidAccessKeyId"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, "S3 did not answer"),
        ({"AWS_ENDPOINT_URL_S3": "nonsense"}, "S3 did not answer"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "No AWS credentials",
        ),
    ],
)
def test_what_cannot_be_asked_is_unknown(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    """A wrong key, no key, no network: exit 1 with one UNKNOWN finding and one fix; in JSON a report all the same."""
    env |= changes | {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    done = opslib(env, sandbox["bucket"], "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["verdict"] == "UNKNOWN"
    assert says in done.stdout
    assert found["counts"].keys() == {"UNKNOWN", "not_checked"}
    assert found["counts"]["UNKNOWN"] == 1
    told = opslib(env, sandbox["bucket"])
    assert (told.returncode, (told.stdout + told.stderr).count("Fix: ")) == (1, 1)


def test_temporary_keys_are_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without their token they are worth nothing, and only boto3 takes it along."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "A" * 20)
    assert usual_keys()
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    assert usual_keys() is None


def test_an_absent_bucket_fails(env: dict[str, str]) -> None:
    """That is an answer, and said once at the top."""
    done = opslib(env, "no-such-bucket-anywhere")
    assert done.returncode == 1
    assert "there is no bucket no-such-bucket-anywhere" in done.stdout.splitlines()[1]
    assert done.stdout.count("Fix: ") == 1
    assert re.search(r"– not checked +\d+ more checks +not asked: there is no bucket", done.stdout)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Not_A_Bucket"], "not an S3 bucket name"),
        (["recordings--use1-az4--x-s3"], "directory bucket"),
        (["s3://our-recordings/voice"], "give name"),
        (["a-bucket", "--region", "atlantis-1"], "AWS has no region"),
        (["a-bucket", "--profile", "nope"], "There is no profile nope"),
        (["a-bucket", "--retention-days", "0"], "Usage error"),
        (["a-bucket", "--owner", "me"], "owner"),
        (["a-bucket", "--prefix", "../x"], "prefix"),
        (["a-bucket", "--kms-key", "alias/x"], "kms_key"),
        (["a-bucket", "--role-arn", "x", "--external-id", "org-1"], "role_arn"),
        (["a-bucket", "--role-arn", f"arn:aws:iam::{ACCOUNT}:role/R"], "--external-id"),
        (["a-bucket", "--print", "trust"], "needs the role"),
        ([], "Usage error"),
    ],
)
def test_bad_input_asks_nothing(env: dict[str, str], sandbox: Sandbox, words: list[str], says: str) -> None:
    """Said with cause and fix before anything is sent; with --json as JSON."""
    sandbox.control("DELETE", "/requests")
    done = opslib(env, *words)
    assert (done.returncode, says in done.stderr, done.stdout) == (1, True, "")
    told = opslib(env, *words, "--json")
    assert (told.returncode, told.stderr) == (1, "")
    assert json.loads(told.stdout)["fix"]
    assert sandbox.requests() == []


ROLE = ["--role-arn", f"arn:aws:iam::{ACCOUNT}:role/R", "--external-id", "org-1"]


@pytest.mark.parametrize(
    ("words", "objects", "says"),
    [
        (["--prefix", "a/b"], "a/b/*", "keys below a/b/"),
        (["--prefix", ""], "*", "the whole bucket"),
        (ROLE, "org-1/*", "keys below org-1/"),
        ([*ROLE, "--prefix", "a"], "a/*", "keys below a/"),
        ([], "*", "every prefix (where Genesys writes is not known)"),
    ],
)
def test_where_genesys_writes(env: dict[str, str], words: list[str], objects: str, says: str) -> None:
    """As stated, or below the id of the role's organisation; else anywhere. Report and documents say the same."""
    (write, *_) = json.loads(opslib(env, "our-recordings", "--print", "writer", *words).stdout)["Statement"]
    assert write["Resource"] == f"arn:aws:s3:::our-recordings/{objects}"
    assert says in opslib(env, "no-such-bucket-anywhere", *words).stdout.splitlines()[0]


@pytest.mark.parametrize("document", ["checks", "writer", "trust", "terraform"])
def test_documents_are_printed_without_asking(env: dict[str, str], sandbox: Sandbox, document: str) -> None:
    """Copyable as they are; one JSON document with --json, whatever is printed."""
    sandbox.control("DELETE", "/requests")
    words = ["our-recordings", "--print", document, "--prefix", "recordings", *ROLE]
    done = opslib(env, *words)
    assert (done.returncode, done.stderr) == (0, "")
    if document != "terraform":
        assert json.loads(done.stdout)["Version"] == "2012-10-17"
    assert ("org-1" if document == "trust" else "our-recordings") in done.stdout
    told = opslib(env, *words, "--json")
    assert json.loads(told.stdout)
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("region", "account"), [("", "765628985471"), ("eu-central-1", "765628985471"), ("us-east-2", "325654371633")]
)
def test_the_trust_names_the_account_of_the_orgs_region(env: dict[str, str], region: str, account: str) -> None:
    """OPSLIB_REGION says which; FedRAMP has its own."""
    done = opslib(env | {"OPSLIB_REGION": region}, "our-recordings", "--print", "trust", *ROLE)
    (statement,) = json.loads(done.stdout)["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}


def test_a_role_is_held_against_the_bucket(env: dict[str, str], sandbox: Sandbox) -> None:
    """With --role-arn, the canary is not the question; the role's trust and permissions are."""
    role = ["--role-arn", sandbox["role_arn"], "--external-id", sandbox["external_id"]]
    found = json.loads(opslib(env, sandbox["bucket"], *role, "--owner", ACCOUNT, "--json").stdout)
    words = {one["check"]: one["verdict"] for one in [*found["findings"], *found["not_checked"]]}
    assert (words["writer"], words["writer-role-trust"], words["owner"]) == ("not_checked", "PASS", "PASS")
    assert words["writer-role-permissions"] == "PASS"


def test_a_reader_sees_what_it_may_not_do(env: dict[str, str], sandbox: Sandbox) -> None:
    """The permission that is missing stands beside each UNKNOWN."""
    keys = keys_of(sandbox, ["s3:ListBucket"])
    env |= {
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key.get_secret_value(),
    }
    done = opslib(env, sandbox["bucket"])
    assert done.returncode == 1
    assert "Fix: Allow s3:GetBucketPolicy to the key that asks" in done.stdout


@pytest.mark.parametrize("profile", [SIGN_ON, REFUSED], ids=["not signed in", "refused"])
def test_a_profile_that_gives_nothing_is_one_json_document(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    """One finding is UNKNOWN, names the profile, and no permission."""
    use_profile(profile, sandbox, tmp_path, monkeypatch)
    kept = {name: value for name, value in env.items() if not name.startswith("AWS_")}
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or name == "HOME"}
    done = opslib(kept | aws, sandbox["bucket"], "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert {one["verdict"] for one in report["findings"]} <= {"UNKNOWN", "not_checked"}
    unknown = [one for one in report["findings"] if one["verdict"] == "UNKNOWN"]
    assert len(unknown) == 1
    assert "profile corp gives no credentials" in unknown[0]["cause"]
