"""A whole bucket against a profile: the verdict, the shared answers, profiles, and how findings read."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opslib.errors import BucketNotFound, InvalidInput
from opslib.validator.bucket import check_bucket, check_buckets
from opslib.validator.checks import CHECKS
from opslib.validator.profile import BUILT_IN
from opslib.validator.profile_loader import load_profile
from opslib.validator.render import as_text
from opslib.validator.wanted import Wanted
from opslib.widgets.findings import findings_html

from ..world import Sandbox
from .buckets import ACCOUNT, ACTIONS, keys_of, only, planted, role_of

FAIL_GRADE = {
    "reachable",
    "encryption",
    "kms-key",  # a part of encryption
    "public-access-block",
    "policy-not-public",
    "tls-only",
    "no-public-acl",
    "retention",  # with a retention to hold the rules against
    "owner",  # with an account to compare with
    "writer",  # with a key
    "writer-role-trust",  # with a role
    "writer-role-permissions",
}


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def test_the_sandboxes_bucket_passes_the_baseline(sandbox: Sandbox) -> None:
    """At 365 days; what does not apply is not passed but left open, with its reason."""
    keys = keys_of(sandbox)
    wanted = Wanted(sandbox["bucket"], sandbox["region"], place="recordings/voice/", retention_days=365, writer=keys)
    told: list[tuple[int, int, str]] = []
    report = await check_bucket(wanted, load_profile("baseline"), keys, lambda *one: told.append(one))
    assert (report.verdict, report.trouble) == ("PASS", None)
    assert not {"FAIL", "UNKNOWN"} & report.as_json()["counts"].keys()
    assert [done for done, _, _ in told] == list(range(1, len(report.findings) + 1))
    assert {total for _, total, _ in told} == {len(report.findings)}
    found = json.loads(json.dumps(report.as_json()))
    assert found["findings"][0]["evidence"][0]["call"] == "HeadBucket"
    assert {one["verdict"] for one in found["findings"]} == {"PASS", "WARN"}
    assert {one["verdict"] for one in found["not_checked"]} == {"not_checked"}
    assert all(one["cause"] for one in found["not_checked"])


def test_what_fails_a_bucket_in_the_baseline() -> None:
    """As the design names it; every other check of the baseline warns."""
    assert {name for name, row in load_profile("baseline").checks.items() if row.level == "FAIL"} == FAIL_GRADE


async def test_no_call_is_made_twice(sandbox: Sandbox) -> None:
    """Checks share the answers about a bucket, and buckets share those about the account, the key and the role."""
    keys = keys_of(sandbox)
    with planted(sandbox) as bucket, planted(sandbox, "planted-too") as other:
        key = bucket.kms()
        other.encryption("aws:kms", key)
        for one in (bucket, other):
            one.allow({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
        names = [sandbox["bucket"], bucket.name, other.name, "no-such-bucket-1"]
        many = [Wanted(name, sandbox["region"], retention_days=365, writer=keys) for name in names]
        many.append(Wanted(sandbox["bucket"], sandbox["region"], retention_days=365, writer=role_of(sandbox)))
        sandbox.control("DELETE", "/requests")
        reports = await check_buckets(many, only(), keys)
    assert [report.wanted.bucket for report in reports] == [*names, sandbox["bucket"]]
    assert reports[3].verdict == "FAIL"

    canaries = re.compile("canary")  # each bucket's upload has a key of its own
    asked = Counter(
        (one["method"], one["path"], one.get("query", ""))
        for one in sandbox.requests("s3")
        if one["path"] != "/" and not canaries.search(one["path"] + one.get("query", ""))
    )
    assert asked
    assert set(asked.values()) == {1}
    posted = Counter(
        evidence.call for report in reports for finding in report.findings for evidence in finding.evidence
    )
    kinds = [name for name in posted if name in ("GetCallerIdentity", "DescribeKey", "GetKeyRotationStatus", "GetRole")]
    assert len(kinds) == 4
    # IAM, STS and KMS are all POST /: one for each kind, but for the simulations, which differ by bucket.
    once = {
        evidence.request_id
        for report in reports
        for finding in report.findings
        for evidence in finding.evidence
        if evidence.call in kinds
    }
    assert len(once) == len(kinds)
    simulated = {
        evidence.request_id
        for report in reports
        for finding in report.findings
        for evidence in finding.evidence
        if evidence.call == "SimulatePrincipalPolicy"
    }
    posts = [one for one in sandbox.requests("s3") if (one["method"], one["path"]) == ("POST", "/")]
    assert len(posts) == len(once) + len(simulated)


@pytest.mark.parametrize("name", BUILT_IN)
async def test_every_profile_of_the_kit(sandbox: Sandbox, name: str) -> None:
    """Each row has a source; the bounds are those of the rule; a run of it works."""
    profile = load_profile(name)
    assert profile.name == name
    assert all(row.source for row in profile.checks.values())
    assert profile.retention.source
    keys = keys_of(sandbox)
    wanted = Wanted(sandbox["bucket"], sandbox["region"], retention_days=30, writer=keys)
    report = await check_bucket(wanted, profile, keys)
    bounds = [one for one in report.findings if one.check == "retention-bounds"]
    assert [one.verdict for one in bounds] == ([] if name == "baseline" else ["FAIL"])
    assert {finding.source for finding in report.findings} == {row.source for row in profile.checks.values()}
    assert report.as_json()["note"] == profile.note


@pytest.mark.parametrize(
    ("name", "least", "playable"),
    [("baseline", None, None), ("sec-17a-4", 1096, 731), ("mifid-ii", 1827, 1827), ("cftc", 366, 366)],
)
def test_years_are_calendar_years(name: str, least: int | None, playable: int | None) -> None:
    """3, 5 and 1 years have up to 1096, 1827 and 366 days; 365 for each would be short."""
    bounds = load_profile(name).retention
    assert (bounds.min_days, bounds.playable_days, bounds.max_days) == (least, playable, None)


def test_every_check_belongs_to_a_profile() -> None:
    """And says to which, and how much it counts there."""
    assert all(check.profiles for check in CHECKS.values())
    assert {name: row.level for name, row in CHECKS["tls-only"].profiles.items()} == dict.fromkeys(BUILT_IN, "FAIL")


@pytest.mark.parametrize(
    ("mode", "days", "word"), [(None, 0, "UNKNOWN"), ("GOVERNANCE", 1096, "UNKNOWN"), ("COMPLIANCE", 1095, "FAIL")]
)
async def test_without_a_lock_a_worm_profile_is_unknown(
    sandbox: Sandbox, mode: str | None, days: int, word: str
) -> None:
    """The rule also accepts an audit trail, which no bucket shows: neither FAIL nor PASS. MiFID II names no technology
    at all, so there the answer is the same, and it is no warning."""
    keys = keys_of(sandbox)
    with planted(sandbox, lock=mode is not None) as bucket:
        if mode:
            bucket.lock(mode, days)
        wanted = Wanted(bucket.name, sandbox["region"], retention_days=1096, writer=keys)
        reports = [await check_bucket(wanted, load_profile(name), keys) for name in ("sec-17a-4", "mifid-ii")]
    sec, mifid = [one for report in reports for one in report.findings if one.check == "object-lock"]
    assert (sec.verdict, "audit trail" in sec.cause) == (word, word == "UNKNOWN")
    assert (mifid.verdict, "another safeguard" in mifid.cause) == (word, word == "UNKNOWN")


@pytest.mark.parametrize("name", ["sec-17a-4", "mifid-ii", "cftc"])
async def test_a_rule_without_a_stated_retention_has_its_own(sandbox: Sandbox, name: str) -> None:
    """A lock of one day and a rule that deletes after a week fail every rule of years, whoever states no number."""
    profile, keys = load_profile(name), keys_of(sandbox)
    with planted(sandbox, lock=True) as bucket:
        bucket.lock("COMPLIANCE", 1)
        bucket.lifecycle({"Expiration": {"Days": 7}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
        report = await check_bucket(Wanted(bucket.name, sandbox["region"], writer=keys), profile, keys)
    words = {one.check: one.verdict for one in report.findings}
    assert (words["retention"], words["retention-bounds"], words["object-lock"]) == (
        "FAIL",
        "PASS",
        "FAIL" if profile.worm else "WARN",
    )
    assert report.as_json()["retention_days"] == profile.retention.min_days


OURS = "name: ours\ntitle: Ours\nas_of: 2026-01-01\nnote: n\nretention: {max_days: 90, source: our rule}\n"


async def test_a_profile_of_ones_own(sandbox: Sandbox, tmp_path: Path) -> None:
    """YAML with the same fields: its checks, its levels, its bounds."""
    file = tmp_path / "ours.yaml"
    file.write_text(OURS + "checks: {tls-only: {level: WARN, source: our rule}}\n")
    keys = keys_of(sandbox)
    with planted(sandbox) as bucket:
        report = await check_bucket(Wanted(bucket.name, sandbox["region"]), load_profile(str(file)), keys)
    (found,) = report.findings
    assert (report.verdict, found.verdict, found.source, report.clocks) == ("PASS", "WARN", "our rule", None)
    assert report.profile.retention.max_days == 90


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OURS + "checks: {tls-onyl: {level: WARN, source: s}}", "checks"),
        (OURS + "checks: {tls-only: {level: MAYBE, source: s}}", "checks"),
        (OURS + "checks: {tls-only: {level: WARN}}", "source"),
        (
            OURS + "checks:\n  tls-only: {level: FAIL, source: s}\n  tls-only: {level: WARN, source: s}",
            "line 8: tls-only",
        ),
        (OURS + "checks: {tls-only: {level: FAIL, level: WARN, source: s}}", "line 6: level"),
        (OURS + "title: Theirs\nchecks: {}", "line 6: title"),
        (OURS + "checks: &a {tls-only: *a}", "aliases"),
        (OURS + "colour: red\nchecks: {}", "colour"),
        ("name: [", "cannot be read"),
        ("name: " + 9000 * "[", "levels of nesting"),
        ("name: \udcff", "cannot be read"),
        ("just a text", "it has no fields"),
    ],
)
def test_a_mistake_in_a_profile_is_named(tmp_path: Path, text: str, says: str) -> None:
    """With its field; nothing is sent."""
    file = tmp_path / "ours.yaml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(InvalidInput) as caught:
        load_profile(str(file))
    assert says in str(caught.value)
    with pytest.raises(InvalidInput, match="no profile"):
        load_profile("../baseline")


async def test_a_profile_without_any_answer_is_unknown(sandbox: Sandbox) -> None:
    """Nothing was found wrong, because nothing was looked at: that is no PASS."""
    report = await check_bucket(Wanted("b-b", sandbox["region"]), only("policy-within-target"), keys_of(sandbox))
    assert (report.as_json()["counts"], report.verdict) == ({"not_checked": 1}, "UNKNOWN")


async def test_a_bucket_that_is_not_there(sandbox: Sandbox) -> None:
    """One cause for the reader; about the rest nothing is known, and nothing passes."""
    keys = keys_of(sandbox)
    wanted = Wanted("no-such-bucket-anywhere", sandbox["region"], retention_days=365, writer=keys)
    report = await check_bucket(wanted, load_profile("baseline"), keys)
    assert isinstance(report.trouble, BucketNotFound)
    assert report.trouble.status == 404
    words = {one.check: one.verdict for one in report.findings}
    assert words.pop("reachable") == "FAIL"
    assert words.pop("policy-within-target") == "not_checked"
    assert set(words.values()) <= {"UNKNOWN", "not_checked"}


async def test_another_regions_bucket_is_asked_there(sandbox: Sandbox) -> None:
    """Buckets of several regions in one run; each answer belongs to its own region."""
    keys = keys_of(sandbox)
    many = [Wanted(sandbox["bucket"], region) for region in ("us-east-1", "eu-west-1")]
    reports = await check_buckets(many, only("reachable"), keys)
    assert [report.verdict for report in reports] == ["PASS", "FAIL"]


async def test_the_four_clocks(sandbox: Sandbox) -> None:
    """As the chart draws them; None when S3 does not say."""
    keys = keys_of(sandbox)
    with planted(sandbox, lock=True) as bucket:
        bucket.lock("COMPLIANCE", 100)
        bucket.lifecycle({"Expiration": {"Days": 30}, "NoncurrentVersionExpiration": {"NoncurrentDays": 10}})
        wanted = Wanted(bucket.name, sandbox["region"], retention_days=365, policy_days=90)
        clocks = (await check_bucket(wanted, load_profile("baseline"), keys)).as_json()["clocks"]
        blind = keys_of(sandbox, [one for one in ACTIONS if one != "s3:GetLifecycleConfiguration"])
        assert (await check_bucket(wanted, load_profile("baseline"), blind)).clocks is None
    assert (clocks["policy_days"], clocks["target_days"], clocks["lock"]["days"]) == (90, 365, 100)
    assert [(one["kind"], one["day"]) for one in clocks["losses"]] == [("noncurrent deleted", 10), ("hidden", 30)]
    assert clocks["early"] == clocks["losses"]
    assert clocks["removed"] == 100


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
    assert "No legal advice." in lines[-1]
    page = findings_html(report, measured=True)
    assert "<script" not in page
    assert "<summary>details of tls-only</summary>" in page
    assert "aws s3api put-public-access-block --bucket planted-bucket" in page
    assert page.index("FAIL") < page.index("PASS")


async def test_a_fix_names_the_bucket_and_nothing_else(sandbox: Sandbox) -> None:
    """Every placeholder that has a value is filled, in one pass; those without stay in capitals."""
    keys = keys_of(sandbox)
    with planted(sandbox) as bucket:
        wanted = Wanted(bucket.name, sandbox["region"], retention_days=9, owner=ACCOUNT, writer=role_of(sandbox))
        found = {one.check: one for one in (await check_bucket(wanted, only(), keys)).findings}
    assert f"--bucket {bucket.name} " in found["tls-only"].cli
    assert f'"Resource":["arn:aws:s3:::{bucket.name}","arn:aws:s3:::{bucket.name}/*"]' in found["tls-only"].cli
    assert "Days=9}" in found["object-lock"].cli
    assert "KMSMasterKeyID=KEY" in found["kms-key"].cli
    assert sandbox["role_arn"].rsplit("/", 1)[1] in found["writer-role-trust"].cli
    for one in found.values():
        assert not re.search(r"\b(BUCKET|REGION|DAYS|ACCOUNT|ARN|ROLE)\b", one.cli + one.terraform + one.fix), one


async def test_no_secret_in_findings(sandbox: Sandbox) -> None:
    """Neither in what is kept nor in what is shown."""
    keys = keys_of(sandbox)
    report = await check_bucket(Wanted(sandbox["bucket"], sandbox["region"], writer=keys), only(), keys)
    said: Any = (
        f"{report!r}{report.as_json()}{as_text(report.as_json())}{findings_html(report.as_json(), measured=True)}"
    )
    assert keys.secret_access_key.get_secret_value() not in said
