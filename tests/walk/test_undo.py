"""A walk that undoes a finished apply: its steps, consent, and the bucket that is written to again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.audit.controls import routing
from opslib.audit.facts import load
from opslib.audit.headline import headline
from opslib.audit.since_then import since_then
from opslib.credentials import KeyReference
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.journal import BUCKET_LOOKED
from opslib.walk.walk import Walk

from ..router.org import changed, onboarding, state, writes
from ..world import Api, Sandbox, environment

UNSAFE = ("delete", "shorter-retention", "bucket-change", "failed-validation")


@pytest.fixture(autouse=True)
def workspace(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


async def carried_out(wanted: Onboarding | None = None, *allow: str, **kind: Any) -> Walk:
    """A walk up to its apply, with consent to these."""
    async with Walk(wanted, **kind) as walk:
        async for _ in walk.in_order(Consent(allow=allow, reason="a test" if allow else ""), until="apply"):
            pass
        return walk


@contextmanager
def without_bucket_policy(sandbox: Sandbox) -> Iterator[None]:
    s3, bucket = sandbox.s3(), sandbox["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


async def test_consent_comes_first_and_the_audits_tell_the_undo(sandbox: Sandbox, api: Api, workspace: Path) -> None:
    """Deleting what the apply created is "delete". The bucket, which then gets nothing, need not pass. The undone run's
    audit names the undo and its approval, and calls it nobody else's change."""
    before = state(api)
    onboarded = await carried_out(onboarding(sandbox), *UNSAFE)
    sandbox.control("DELETE", "/requests")
    with without_bucket_policy(sandbox):
        with pytest.raises(errors.ConsentMissing) as caught:
            await carried_out(undo="last")
        assert "delete: " in caught.value.cause
        assert "failed-validation" not in caught.value.cause
        assert writes(sandbox) == []
        walk = await carried_out(None, "delete", undo="last")
    validated = walk.result("validate_bucket")
    assert validated
    assert validated.state == "failed"
    assert state(api) == before
    result = walk.result("apply")
    assert result
    assert result.summary == "3 objects restored to what was there before, and read back"
    assert walk.order[-1] == "apply"
    undone, undo = load(workspace, onboarded.run_id), load(workspace, walk.run_id)
    assert headline(undo).title.endswith(": change undone")
    why = since_then(undone).why
    assert f"undone by opslib in run {walk.run_id}, approved in entry " in why
    assert "outside" not in why
    once_more = load(workspace, (await carried_out(undo="last")).run_id)
    assert headline(once_more).word == "NOTHING APPLIED"
    assert routing(once_more).word == "not_checked"


async def test_routing_back_to_a_bucket_that_does_not_pass_needs_consent(sandbox: Sandbox, api: Api) -> None:
    """The bucket that is written to after the undo is checked: before the approval, and right before the apply."""
    other = "another-bucket-of-ours"
    await carried_out(onboarding(sandbox, target={"bucket": other}), *UNSAFE)
    before = state(api)
    await carried_out(onboarding(sandbox), *UNSAFE)
    after = state(api)
    with pytest.raises(errors.ConsentMissing) as caught:
        await carried_out(None, "bucket-change", undo="last")
    assert caught.value.cause.startswith("failed-validation")
    assert other in caught.value.cause
    assert state(api) == after
    walk = await carried_out(None, "bucket-change", "failed-validation", undo="last")
    assert state(api) == before
    looked = [entry.data["bucket"] for entry in walk.journal.entries(BUCKET_LOOKED)]
    assert (looked, walk.onboarding.target.bucket) == ([other], other)


async def test_a_session_later_it_goes_on(sandbox: Sandbox, api: Api) -> None:
    """What was connected and planned is known again, and for the onboarding as it will be; the last apply is found
    anew only by a new walk."""
    await carried_out(onboarding(sandbox), *UNSAFE)
    before = state(api)
    applied = await carried_out(changed(sandbox), *UNSAFE)
    for until in ("connect", "plan"):
        async with Walk(undo="last", resume=True) as walk:
            async for _ in walk.in_order(until=until):
                pass
            first = walk.run_id
    async with Walk(undo="last", resume=True) as walk:
        assert (walk.run_id, walk.state("plan"), walk.undo_run) == (first, "done", applied.run_id)
        assert walk.onboarding.policy.retention_days == 365
        assert walk.onboarding.target.credentials == KeyReference()
        await walk.run("approve")
        await walk.run("apply")
    assert state(api) == before
    async with Walk(undo="last", resume=True) as walk:
        assert (walk.run_id, walk.state("apply")) == (first, "done")


async def test_an_apply_to_another_org_is_not_undone_in_this_one(
    sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orgs of one region have one address."""
    await carried_out(onboarding(sandbox), *UNSAFE)
    before = state(api)
    monkeypatch.setattr(Walk, "org_of", lambda *_: "99999999-2222-4333-8444-555555555555")
    with pytest.raises(errors.WrongOrg, match="not the org that is meant") as caught:
        await carried_out(None, *UNSAFE, undo="last")
    assert "the org of the apply to undo" in caught.value.cause
    assert state(api) == before


async def test_where_there_is_nothing_to_undo(sandbox: Sandbox) -> None:
    """`connect` says so, and nothing is planned."""
    async with Walk(undo="last") as walk:
        with pytest.raises(errors.InvalidInput, match="nothing to undo"):
            await walk.run("connect")
        assert walk.state("plan") == "waiting"
