"""What the audit says of real walks on the sandbox, after what really happened to bucket and org."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opslib import Onboarding, errors
from opslib.audit import controls, exports
from opslib.audit.facts import Facts, load
from opslib.audit.headline import headline
from opslib.audit.report import AuditReport
from opslib.ledger.signing import Signer
from opslib.onboarding.models import Consent
from opslib.router.approval import approve
from opslib.settings import Settings
from opslib.walk.recheck import recheck
from opslib.walk.second_key import plan_file
from opslib.walk.walk import Walk

from ..forks import opslib
from ..router import platform_org
from ..validator.buckets import Planted, planted
from ..walk.test_steps import onboarding
from ..world import (
    POLICIES,
    RETENTION_POLICIES,
    TARGETS,
    Api,
    Sandbox,
    environment,
    policy,
    without_settings,
    write_onboarding,
)

REASON = "the desk takes no orders"
DELETES = {"ID": "save-money", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}


@pytest.fixture(autouse=True)
def home(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


@pytest.fixture
def deleting(sandbox: Sandbox) -> Iterator[Any]:
    """Switches on a rule that deletes recordings after a day; taken off again."""
    place = {"Bucket": sandbox["bucket"]}
    yield lambda: sandbox.s3().put_bucket_lifecycle_configuration(**place, LifecycleConfiguration={"Rules": [DELETES]})
    sandbox.s3().delete_bucket_lifecycle(**place)


async def walked(wanted: Onboarding, consent: Consent | None = None, **kind: Any) -> str:
    """A whole walk; its run."""
    async with Walk(wanted, **kind) as walk:
        await walk.run_all(consent)
        return walk.run_id


def words(facts: Facts) -> dict[str, str]:
    return {result.id: result.word for result in controls.results(facts)}


def why(facts: Facts, control: str) -> str:
    return next(result.why for result in controls.results(facts) if result.id == control)


def report(home: Path) -> Any:
    return json.loads(exports.report_json(load(home), None))


def writes(sandbox: Sandbox) -> list[tuple[str, str]]:
    """All that was asked of Genesys and AWS and is not a read. Tokens, and who AWS says we are, are read by POST."""
    asked = [(one["method"], one["path"]) for service in ("genesys", "s3") for one in sandbox.requests(service)]
    return [
        (method, path)
        for method, path in asked
        if method not in ("GET", "HEAD") and "oauth" not in path and (method, path) != ("POST", "/")
    ]


async def test_a_recheck_of_what_is_still_so_is_pass_and_writes_nothing(sandbox: Sandbox, home: Path) -> None:
    """Bucket, objects and org are read again; the answer about the upload stays that of the apply."""
    await walked(onboarding(sandbox))
    assert words(load(home))["since_then"] == "not_checked"
    sandbox.control("DELETE", "/requests")
    assert [result.state for result in await recheck()] == ["done", "done", "done"]
    assert writes(sandbox) == []
    found = words(load(home))
    assert (found["since_then"], found["storage"], found["routing"], found["age"]) == ("PASS",) * 4
    assert report(home)["routing_state"] == "ACTIVE"


async def test_a_policy_that_was_disabled_later_is_fail(sandbox: Sandbox, api: Api, home: Path) -> None:
    """With both values, by when it was read; the routing is not ACTIVE any more."""
    await walked(onboarding(sandbox))
    changed = policy(name="P", storageTargetId="t-1", enabled=False, retentionPeriodDays=1)
    assert api("PUT", f"{POLICIES}/p-1", changed).is_success
    await recheck()
    facts = load(home)
    found = words(facts)
    assert (found["since_then"], found["routing"]) == ("FAIL", "FAIL")
    assert "policy P: enabled: yes → no (it is switched off)" in why(facts, "since_then")
    assert "policy P: retentionPeriodDays: 365 → 1 (fewer than 365 days)" in why(facts, "since_then")
    assert report(home)["routing_state"] == "UNKNOWN"
    assert headline(facts).word == "DOES NOT MEET THE RULE"


async def test_a_target_that_is_gone_is_fail(sandbox: Sandbox, api: Api, home: Path) -> None:
    """Also for who reads the org with `opslib plan` only."""
    await walked(onboarding(sandbox))
    for path in (f"{POLICIES}/p-1", f"{TARGETS}/t-1"):
        assert api("DELETE", path).is_success
    async with Walk(onboarding(sandbox), command="plan") as walk:
        await walk.run("connect")
        await walk.run("plan")
    assert "target T: it is gone" in why(load(home), "since_then")


async def test_a_bucket_that_fails_between_validation_and_apply_is_refused(
    sandbox: Sandbox, home: Path, deleting: Any, api: Api
) -> None:
    """Right before anything is applied, with the bucket's own fix first; the audit says what was found."""
    async with Walk(onboarding(sandbox)) as walk:
        for name in ("connect", "validate_bucket", "plan", "approve"):
            await walk.run(name)
        deleting()
        with pytest.raises(errors.ConsentMissing, match="does not pass") as caught:
            await walk.run("apply")
    assert "save-money" in caught.value.cause
    assert '--allow failed-validation --reason "…"' in caught.value.fix
    assert api("GET", f"{TARGETS}/t-1").status_code == 404
    facts = load(home)
    found = words(facts)
    assert (found["retention"], found["routing"], found["approval"]) == ("FAIL", "UNKNOWN", "not_checked")
    assert headline(facts).word == "PLAN REFUSED, NOTHING APPLIED"


async def test_consent_to_a_bucket_that_fails_at_the_apply_is_an_exception(
    sandbox: Sandbox, home: Path, deleting: Any
) -> None:
    """The same rule as in the approval: by name, with a reason; it is applied, and the verdict stays FAIL."""
    async with Walk(onboarding(sandbox)) as walk:
        walk.consent = Consent(allow=("failed-validation",), reason=REASON)
        for name in ("connect", "validate_bucket", "plan"):
            await walk.run(name)
        walk.consent = Consent(allow=("failed-validation",), reason=REASON)
        await walk.run("approve")
        deleting()
        assert (await walk.run("apply")).state == "done"
    facts = load(home)
    (exception,) = headline(facts).exceptions
    assert (exception.name, exception.reason, exception.state) == ("failed-validation", REASON, "in force")
    assert words(facts)["retention"] == "FAIL"
    assert exception.tag in next(one for one in controls.results(facts) if one.id == "retention").exceptions


async def test_a_retention_cut_by_consent_stays_visible(sandbox: Sandbox, home: Path) -> None:
    """Values, reason and end; the comparison with the walk before names the value, though no verdict changed."""
    await walked(onboarding(sandbox))
    shorter = {"retention_days": 30}
    consent = Consent(allow=("shorter-retention",), reason=REASON)
    await walked(onboarding(sandbox, target=shorter, policy=shorter), consent)
    facts = load(home)
    (exception,) = headline(facts).exceptions
    assert "target T: retentionPeriodDays 365 → 30" in exception.changed
    assert headline(facts).sentence.startswith("Meets baseline and the onboarding's own 30 days, ")
    assert "sets no minimum; 30 days are what the onboarding itself says" in why(facts, "minimum")
    shown = AuditReport.open(home=home).show("still_so").plain
    assert "policy P | retentionPeriodDays | 365 | 30" in shown
    first = next(facts.everywhere("run.started")).run_id
    assert words(load(home, first))["since_then"] == "FAIL"


async def test_an_offboarding_that_worked_is_no_alarm(sandbox: Sandbox, home: Path) -> None:
    """It has a title and a word of its own, and routes nothing."""
    await walked(onboarding(sandbox))
    consent = Consent(allow=("delete",), reason=REASON)
    async with Walk(onboarding(sandbox), removal=True) as walk:
        async for _ in walk.in_order(consent, until="apply"):
            pass
    facts = load(home)
    top = headline(facts)
    assert top.title.endswith(": routing removed")
    assert top.word in ("REMOVED, READ BACK AS GONE", "REMOVED, NEEDS REVIEW")
    assert {"FAIL", "UNKNOWN"} & set(words(facts).values()) == set()
    assert report(home)["routing_state"] == "UNKNOWN"


async def test_a_plain_apply_does_not_end_unknown(sandbox: Sandbox, home: Path) -> None:
    """It looks for no event, and says so."""
    async with Walk(onboarding(sandbox)) as walk:
        async for _ in walk.in_order(until="apply"):
            pass
    assert {"FAIL", "UNKNOWN"} & set(words(load(home)).values()) == set()


async def test_a_bucket_that_cannot_be_read_again_leaves_it_open(
    sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit is written all the same, and no control keeps its PASS from before."""
    await walked(onboarding(sandbox))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-of-this-key-at-all-0123456")
    states = {result.step: result.state for result in await recheck()}
    assert states == {"connect": "done", "validate_bucket": "failed", "read_org": "done"}
    found = words(load(home))
    assert {found[name] for name in ("storage", "transport", "retention")} == {"UNKNOWN"}
    assert found["since_then"] == "PASS"


async def test_an_org_that_cannot_be_reached_again_leaves_it_open(
    sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the bucket is read nevertheless."""
    await walked(onboarding(sandbox))
    monkeypatch.setenv("OPSLIB_CLIENT_SECRET", "wrong-secret-wrong-secret-wrong")
    states = {result.step: result.state for result in await recheck()}
    assert states == {"connect": "failed", "validate_bucket": "done", "read_org": "failed"}
    facts = load(home)
    assert (words(facts)["since_then"], words(facts)["transport"]) == ("UNKNOWN", "PASS")
    assert "could not be read again" in why(facts, "since_then")


async def test_a_recheck_of_another_org_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another org has says nothing; nothing is sent."""
    with pytest.raises(errors.LedgerError, match="nothing to read again"):
        await recheck()
    run_id = await walked(onboarding(sandbox))
    sandbox.control("DELETE", "/requests")
    with pytest.raises(errors.LedgerError) as caught:
        await recheck("nobody's")
    assert "run nobody's is not in the ledger" in caught.value.cause
    assert run_id in caught.value.fix
    with pytest.raises(errors.InvalidInput, match="another org"):
        await recheck(settings=Settings.load(api_url="http://127.0.0.1:9", login_url="http://127.0.0.1:9"))
    assert sandbox.requests() == []


@pytest.mark.slow
async def test_on_platform_too_a_recheck_tells_what_became_of_it(
    sandbox: Sandbox, api: Api, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects have the server's ids there, and other fields: as it was, then a policy switched off, then one gone."""
    monkeypatch.setattr("opslib.genesys.audit_log._POLL_S", 0.05)
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    await walked(platform_org.onboarding(sandbox))
    assert {result.state for result in await recheck()} == {"done"}
    assert words(load(home))["since_then"] == "PASS", why(load(home), "since_then")
    (made,) = api("GET", RETENTION_POLICIES).json()["entities"]
    assert api("PATCH", made["selfUri"], {"enabled": False}).is_success
    await recheck()
    assert words(load(home))["since_then"] == "FAIL"
    assert "policy P: enabled: yes → no" in why(load(home), "since_then")
    assert api("DELETE", made["selfUri"]).is_success
    await recheck()
    assert "policy P: it is gone" in why(load(home), "since_then")


@pytest.fixture
def strict(sandbox: Sandbox) -> Iterator[Planted]:
    """A bucket as mifid-ii asks for it."""
    with planted(sandbox, "strict-logs") as logs, planted(sandbox, "strict-bucket", lock=True) as bucket:
        bucket.block()
        bucket.account_block()
        bucket.ownership("BucketOwnerEnforced")
        bucket.tls_only()
        bucket.encryption("AES256")
        bucket.lock(days=1827)
        bucket.lifecycle({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}})
        bucket.logging(logs.name)
        bucket.events()
        bucket.replicate(bucket.copy(lock=True))
        yield bucket


async def test_a_strict_profile_can_pass(sandbox: Sandbox, home: Path, strict: Planted) -> None:
    """What it asks for can be had all at once, with the approval of a second key."""
    days = {"retention_days": 1827}
    wanted = onboarding(sandbox, target={"bucket": strict.name, **days}, policy=days, profile="mifid-ii")
    second = Signer(Ed25519PrivateKey.generate())
    async with Walk(wanted, Settings.load(approvers=second.public_key)) as walk:
        for step in ("connect", "plan"):
            await walk.run(step)
        walk.approval = approve(plan_file(walk), second, datetime.now(UTC), reason="r", days=7)
        await walk.run_all()
    facts = load(home)
    top = headline(facts)
    assert (top.word, top.environment) == ("MEETS THE RULE, AS FAR AS CHECKED", "sandbox")
    assert top.sentence.startswith("Meets mifid-ii, 1,827 days, as of ")
    assert words(facts)["minimum"] == "PASS"


def test_the_command_reads_again_and_writes_the_audit(sandbox: Sandbox, tmp_path: Path) -> None:
    """Exit code 0, whatever the verdict is; report.json says sandbox, rule, days and age."""
    file = write_onboarding(tmp_path / "target.yaml", sandbox)
    env = without_settings() | environment(sandbox, tmp_path / "home")
    assert opslib(env, "onboard", str(file), "--yes").returncode == 0
    done = opslib(env, "audit", "--recheck", "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert [one["step"] for one in json.loads(done.stdout)["recheck"]] == ["connect", "validate_bucket", "read_org"]
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    rule = (written["environment"], written["rule"]["profile"], written["retention_days"])
    assert rule == ("sandbox", "baseline", 365)
    assert written["evidence_age_days"] == 0
    assert {"timestamp", "metrics", "compliance_status", "routing_state"} <= written.keys()
    (since,) = [one for one in written["controls"] if one["id"] == "since_then"]
    assert since["word"] == "PASS"
