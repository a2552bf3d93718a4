"""The walk's steps against the real sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from opslib import Onboarding, errors
from opslib.audit.verify import verify
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk.steps import RECOVERY, STEPS
from opslib.walk.walk import Walk

from ..world import POLICIES, TARGETS, WEBHOOKS, Api, Sandbox, environment, policy

ORDER = ["connect", "validate_bucket", "plan", "approve", "apply", "see_event", "report"]

OBJECTS = ((TARGETS, "t-1"), (POLICIES, "p-1"), (WEBHOOKS, "w-1"))


def puts(sandbox: Sandbox) -> int:
    return [request["method"] for request in sandbox.requests()].count("PUT")


async def up_to(walk: Walk, name: str) -> None:
    """Run all steps before one."""
    for earlier in ORDER[: ORDER.index(name)]:
        await walk.run(earlier)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (the condition is in another process)
            await asyncio.sleep(0.01)


def onboarding(sandbox: Sandbox, **changes: Any) -> Onboarding:
    """An onboarding of the sandbox's bucket."""
    target = {"id": "t-1", "name": "T", "bucket": sandbox["bucket"], "region": sandbox["region"], "retention_days": 365}
    return Onboarding.model_validate(
        {
            "target": target | changes.pop("target", {}),
            "policy": {"id": "p-1", "name": "P", "retention_days": 365} | changes.pop("policy", {}),
            "webhook": {"id": "w-1", "url": sandbox["datalake_url"] + "/in"},
            **changes,
        }
    )


@pytest.fixture
async def walk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(onboarding(sandbox)) as walk:
        yield walk


async def test_the_whole_walk(walk: Walk, api: Api, tmp_path: Path) -> None:
    """Seven steps in order; three objects exist; the event arrived; the ledger is intact and has it all."""
    assert list(STEPS) == ORDER
    assert [walk.state(name) for name in ORDER] == ["ready"] + ["waiting"] * 6
    results = await walk.run_all()
    assert [result.state for result in results] == ["done"] * 7
    for path, id in OBJECTS:
        assert api("GET", f"{path}/{id}").status_code == 200
    assert results[5].data["event"]["entityId"] == "p-1"
    await walk.aclose()
    assert verify(tmp_path).intact
    kinds = [entry.kind for entry in walk.journal.entries()]
    assert kinds.count("step.started") == kinds.count("step.done") == 7
    steps = {entry.data["step"] for entry in walk.journal.entries("sample")}
    assert steps == {"connect", "plan", "apply", "see_event"}


@pytest.mark.parametrize("name", ORDER[1:])
async def test_out_of_order_is_refused_with_reasons(walk: Walk, sandbox: Sandbox, name: str) -> None:
    """Gating is enforced in the step itself; nothing is sent."""
    with pytest.raises(errors.StepBlocked, match=r"must be (done|run) first"):
        await walk.run(name)
    assert sandbox.requests() == []
    assert walk.blockers(name)


CHANGES: list[tuple[Callable[[Walk, Sandbox], None], set[str]]] = [
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s, target={"bucket": "other"})), set(ORDER[1:])),
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s, target={"retention_days": 400})), set(ORDER[1:])),
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s, policy={"retention_days": 30})), set(ORDER[1:])),
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s, policy={"name": "Q"})), set(ORDER[2:])),
    (lambda walk, s: setattr(walk, "settings", walk.settings.model_copy(update={"client_id": "other"})), set(ORDER)),
    (lambda walk, s: setattr(walk, "onboarding", onboarding(s)), set()),
]


@pytest.mark.parametrize(("change", "stale"), CHANGES)
async def test_changed_inputs_make_what_depends_on_them_stale(
    walk: Walk, sandbox: Sandbox, change: Callable[[Walk, Sandbox], None], stale: set[str]
) -> None:
    """By the hash of inputs: the step and all behind it, nothing else; an equal value changes nothing."""
    await walk.run_all()
    change(walk, sandbox)
    assert {name for name in ORDER if walk.state(name) == "stale"} == stale
    change_back = onboarding(sandbox)
    if stale != set(ORDER):
        walk.onboarding = change_back
        assert {walk.state(name) for name in ORDER} == {"done"}


async def test_an_event_is_not_made_over_a_foreign_change(walk: Walk, sandbox: Sandbox, api: Api) -> None:
    """The policy is written as it is, or not at all."""
    await up_to(walk, "see_event")
    assert api("PUT", f"{POLICIES}/p-1", policy(storageTargetId="t-1", enabled=False)).is_success
    before = api("GET", f"{POLICIES}/p-1").json()
    with pytest.raises(errors.StalePlan, match="Policy P is not as it was applied"):
        await walk.run("see_event")
    assert api("GET", f"{POLICIES}/p-1").json() == before


async def test_nothing_else_is_begun_while_changes_are_made(walk: Walk, sandbox: Sandbox) -> None:
    """A plan would see half of them, a new connection would cut them off, and a recovery would undo them."""
    await up_to(walk, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "storage/targets", "delay_s": 0.3, "times": 1})
    apply = asyncio.create_task(walk.run("apply"))
    await until(lambda: puts(sandbox) == 1)
    for name in ("connect", "plan", *RECOVERY):
        with pytest.raises(errors.StepBlocked, match="“Apply” is running"):
            await walk.run(name)
    assert (await apply).state == "done"
    assert walk.state("apply") == "done"


async def test_a_failed_step_says_why_and_can_be_run_again(walk: Walk, sandbox: Sandbox) -> None:
    """Wrong secret, then the right one; what follows stays closed meanwhile."""
    right = walk.settings
    walk.settings = right.model_copy(update={"client_secret": SecretStr("wrong-secret-wrong-secret-wrong")})
    with pytest.raises(errors.AuthenticationFailed):
        await walk.run("connect")
    assert walk.state("connect") == "failed"
    with pytest.raises(errors.StepBlocked, match="failed"):
        await walk.run("validate_bucket")
    failed = next(iter(walk.journal.entries("step.failed"))).data
    assert failed["error"]["fix"]
    assert failed["error"]["status"] == 401
    walk.settings = right
    assert (await walk.run("connect")).state == "done"


async def test_two_callers_share_one_run(walk: Walk, sandbox: Sandbox) -> None:
    """A double click starts one task; both callers get its result."""
    await up_to(walk, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 0.2})
    first, second = asyncio.create_task(walk.run("apply")), asyncio.create_task(walk.run("apply"))
    await asyncio.sleep(0.05)
    assert walk.state("apply") == "running"
    assert await first is await second
    assert puts(sandbox) == 3


async def test_cancel_ends_the_step_and_is_recorded(walk: Walk, sandbox: Sandbox) -> None:
    """Cancel stops the wait at once; the step can be run again."""
    await up_to(walk, "see_event")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 1, "times": 1})
    task = asyncio.create_task(walk.run("see_event"))
    await asyncio.sleep(0.1)
    walk.cancel("see_event")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert walk.state("see_event") == "ready"
    assert [entry.data["step"] for entry in walk.journal.entries("step.cancelled")] == ["see_event"]
    assert (await walk.run("see_event")).state == "done"


async def test_the_first_cancel_of_an_apply_finishes_the_change_in_flight(walk: Walk, sandbox: Sandbox) -> None:
    """Then the apply is half-done: planning is refused until it is finished or undone, here or elsewhere."""
    await up_to(walk, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "^/api/", "delay_s": 0.3, "times": 1})
    task = asyncio.create_task(walk.run("apply"))
    await until(lambda: puts(sandbox) == 1)
    walk.cancel("apply")
    assert "stopping after this: create target T" in walk.progress["apply"][2]
    with pytest.raises(errors.HalfDone, match="half-done") as caught:
        await task
    assert "Done: create target T (t-1). Left to do: create policy P (p-1); create webhook" in caught.value.cause
    assert (walk.unfinished is not None, walk.progress, puts(sandbox)) == (True, {}, 1)
    with pytest.raises(errors.Busy, match="left unfinished"):
        await walk.run("plan")
    assert (await walk.run("resume")).summary == "The apply is finished"
    assert (walk.unfinished, walk.state("resume"), puts(sandbox)) == (None, "done", 3)
    assert (await walk.run("plan")).summary == "Nothing to do: the org is as wanted"


async def cancel_in_the_policy(walk: Walk, sandbox: Sandbox) -> None:
    """Apply, and cancel it twice while the policy, its second change, is being written."""
    await up_to(walk, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 20, "times": 1})
    task = asyncio.create_task(walk.run("apply"))
    await until(lambda: puts(sandbox) == 2)
    walk.cancel("apply")
    walk.cancel("apply")
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_second_cancel_ends_the_change_in_flight(walk: Walk, sandbox: Sandbox, api: Api) -> None:
    """Whether it took effect is not known, so nothing is claimed; rollback restores."""
    await cancel_in_the_policy(walk, sandbox)
    assert walk.unfinished
    assert (await walk.run("rollback")).summary == "Rolled back: the org is as it was before the apply"
    assert [api("GET", f"{path}/{id}").status_code for path, id in OBJECTS] == [404] * 3


async def test_recovery_without_anything_unfinished_sends_nothing(walk: Walk, sandbox: Sandbox) -> None:
    """Both say so."""
    for name in RECOVERY:
        assert "no apply is unfinished" in (await walk.run(name)).summary
    assert sandbox.requests() == []


async def test_consent_is_for_one_plan(walk: Walk, sandbox: Sandbox) -> None:
    """Given for a shorter retention, it does not carry over to the next plan."""
    await up_to(walk, "see_event")
    walk.onboarding = onboarding(sandbox, target={"retention_days": 300}, policy={"retention_days": 300})
    await up_to(walk, "approve")
    with pytest.raises(errors.ConsentMissing, match="needs consent"):
        await walk.run("approve")
    walk.consent = Consent(confirm="T", reason="a test")
    assert (await walk.run("approve")).state == "done"
    walk.onboarding = onboarding(sandbox, target={"retention_days": 200}, policy={"retention_days": 200})
    await up_to(walk, "approve")
    assert walk.consent == Consent()
    with pytest.raises(errors.ConsentMissing):
        await walk.run("approve")
    assert puts(sandbox) == 3


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ({"bucket": "no-such-bucket-anywhere"}, errors.BucketNotFound, "no-such-bucket-anywhere"),
        ({"region": "eu-west-1"}, errors.BucketWrongRegion, "S3 says it is in us-east-1"),
    ],
)
async def test_what_cannot_be_looked_at_is_one_error(
    walk: Walk, sandbox: Sandbox, target: dict[str, str], error: type[errors.BucketError], says: str
) -> None:
    """With cause and fix, instead of a row for each check that could not be made."""
    await walk.run("connect")
    walk.onboarding = onboarding(sandbox, target=target)
    with pytest.raises(error, match=says):
        await walk.run("validate_bucket")


async def test_an_unfit_bucket_is_a_report(walk: Walk, sandbox: Sandbox) -> None:
    """With findings beside the error; nothing is asked about twice."""
    await walk.run("connect")
    walk.onboarding = onboarding(sandbox, target={"encryption": "aws:kms"})
    sandbox.control("DELETE", "/requests")
    with pytest.raises(errors.BucketUnfit, match="AES256"):
        await walk.run("validate_bucket")
    result = walk.result("validate_bucket")
    assert result
    assert [one["check"] for one in result.data["findings"] if one["verdict"] == "FAIL"] == ["encryption"]
    asked = [(one["method"], one["path"], one["query"]) for one in sandbox.requests("s3")]
    assert len(asked) == len(set(asked))


async def test_a_bucket_that_fails_after_the_approval_takes_it_back(
    walk: Walk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was approved was a plan with a bucket that passed."""
    await up_to(walk, "apply")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-of-this-key-at-all-0123456")
    with pytest.raises(errors.OpslibError):
        await walk.run("validate_bucket")
    assert (walk.state("validate_bucket"), walk.state("approve")) == ("failed", "stale")
    with pytest.raises(errors.StepBlocked):
        await walk.run("apply")
    with pytest.raises(errors.ConsentMissing, match="consent"):
        await walk.run("approve")
    walk.consent = Consent(confirm="T", reason="the key is made anew tonight")
    assert (await walk.run("approve")).state == "done"
    assert puts(sandbox) == 0


async def test_a_bucket_that_is_not_wholly_known_needs_consent(walk: Walk, sandbox: Sandbox) -> None:
    """Its lifecycle rules cannot be read, so whether recordings stay is UNKNOWN, and that is not enough."""
    sandbox.control("POST", "/faults", {"method": "GET", "query": "lifecycle", "status": 403})
    await walk.run("connect")
    assert (await walk.run("validate_bucket")).state == "unknown"
    await walk.run("plan")
    assert walk.needs_consent() == ["failed-validation"]
    with pytest.raises(errors.ConsentMissing, match="failed-validation"):
        await walk.run("approve")
    walk.consent = Consent(allow=("failed-validation",), reason="the rules are known from elsewhere")
    assert (await walk.run("approve")).data["unsafe"] == ["failed-validation"]


async def test_a_second_apply_sends_no_write(walk: Walk, sandbox: Sandbox) -> None:
    """Without a new plan, too: the org is as wanted already."""
    await up_to(walk, "see_event")
    again = await walk.run("apply")
    assert (again.state, again.summary, puts(sandbox)) == (
        "done",
        "Nothing to do: the org is as wanted, so nothing was applied",
        3,
    )


async def test_the_report_is_made_after_a_failed_apply_too(walk: Walk, sandbox: Sandbox) -> None:
    """What went wrong is to be counted."""
    await up_to(walk, "apply")
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "webhooks", "status": 403})
    with pytest.raises(errors.RolledBack):
        await walk.run("apply")
    report = (await walk.run("report")).data
    assert report["metrics"]["failure_count"] == 1
    assert report["routing_state"] == "UNKNOWN"


async def test_events_are_unknown_without_a_catalogue(walk: Walk) -> None:
    """A question that cannot be asked is UNKNOWN, never done, and no PUT is made for it."""
    walk.settings = Settings.load(catalogue_url=None)
    walk.settings = walk.settings.model_copy(update={"catalogue_url": None})
    for name in ORDER[:5]:
        await walk.run(name)
    puts = walk.recorder.success_count
    result = await walk.run("see_event")
    assert (result.state, walk.state("see_event")) == ("unknown", "unknown")
    assert "OPSLIB_CATALOGUE_URL" in result.summary
    assert walk.recorder.success_count == puts


async def test_an_event_that_never_comes_is_unknown(
    walk: Walk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data lake refuses the delivery: we waited, saw nothing, and say so."""
    monkeypatch.setattr("opslib.walk.steps._EVENT_WITHIN_S", 0.5)
    for name in ORDER[:5]:
        await walk.run(name)
    sandbox.control("POST", "/faults", {"method": "POST", "path_regex": "^/in", "status": 500})
    assert (await walk.run("see_event")).state == "unknown"


async def test_the_settings_of_the_walk_count_not_those_of_the_environment(sandbox: Sandbox, walk: Walk) -> None:
    """Its deadline, the time for one try, and the consent to a host that is no region's."""
    walk.settings = Settings.load(deadline_s=3, timeout_s=0.5)
    sandbox.control("POST", "/faults", {"path_regex": "/targets", "delay_s": 10})
    with pytest.raises(errors.DeadlineExceeded) as caught:
        await walk.run("connect")
    assert "within 3 s and " in caught.value.cause
    asked = [entry.data for entry in walk.journal.entries("sample") if "targets" in entry.data["endpoint"]]
    assert asked[0]["outcome"] == "timeout"
    gateway = {"api_url": "https://gateway.example", "login_url": "", "allow_any_host": True}
    async with Walk(walk.onboarding, Settings.load(**gateway, home=walk.settings.home / "live")) as live:
        assert (await live.open_session()).client.base_url == "https://gateway.example"


async def test_a_walk_on_a_sandbox_does_not_turn_to_a_live_org(sandbox: Sandbox, walk: Walk) -> None:
    """Its ledger is the sandbox's: connecting elsewhere is refused before anything is sent, and going back works."""
    await walk.run("connect")
    on_sandbox = walk.settings
    walk.settings = Settings.load(api_url="https://gateway.example", login_url="", allow_any_host=True)
    with pytest.raises(errors.InvalidInput, match="is for a sandbox"):
        await walk.run("connect")
    walk.settings = on_sandbox
    assert (await walk.run("connect")).state == "done"


async def test_a_step_that_there_is_not_is_refused_with_the_one_that_is_meant(walk: Walk) -> None:
    """As a cell's typing error has it."""
    with pytest.raises(errors.InvalidInput) as caught:
        await walk.run("conect")
    assert "Did you mean 'connect'?" in caught.value.cause


async def test_an_org_without_this_api_is_said_in_words(walk: Walk, sandbox: Sandbox) -> None:
    """Never a bare 404."""
    sandbox.control("POST", "/faults", {"path_regex": "^/api/v2/recording", "status": 404})
    with pytest.raises(errors.NotFound, match="does not serve the storage-targets API"):
        await walk.run("connect")


async def test_no_secret_in_results_or_ledger(walk: Walk, sandbox: Sandbox, tmp_path: Path) -> None:
    """The whole walk leaves neither secret nor token behind."""
    results = await walk.run_all()
    await walk.aclose()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("ledger*"))
    for secret in (sandbox["client_secret"], sandbox["aws_secret_access_key"]):
        assert secret.encode() not in written
        assert secret not in repr(results)
        assert secret not in repr(vars(walk))
