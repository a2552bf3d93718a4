"""Where a second key is required, whose keys count, and by which clocks its approval holds."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.ledger.signing import Signer
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.approval import Approval, PlanFile, Planned, approve
from opslib.router.journal import APPROVAL
from opslib.router.plan import Change, Plan
from opslib.settings import Settings
from opslib.walk.consent import agrees, agrees_by_name
from opslib.walk.look import Bucket, Writing, refuse_unfit
from opslib.walk.second_key import approvers_of, is_required, planned_of, refuse_unapproved
from opslib.walk.state_machine import Result
from opslib.walk.walk import Walk

from ..router.org import onboarding as onboarding_of

WHERE = "https://api.mypurecloud.de"
ONE, TWO, THREE = (f"ed25519:{digit * 64}" for digit in "123")
CUT = Change(
    action="update",
    kind="target",
    id="t-1",
    name="T",
    before={"a": 1},
    after={"a": 2},
    unsafe=("shorter-retention",),
)


def own_profile(folder: Path, *keys: str) -> str:
    """A profile with a list of keys."""
    lines = [
        "{name: own, title: Ours, as_of: 2026-11-28, note: N, retention: {source: us}, checks: {},",
        f" approvers: [{', '.join(map(repr, keys))}]}}",
    ]
    (folder / "own.yaml").write_text("\n".join(lines))
    return "own.yaml"


@pytest.fixture
def key(tmp_path: Path) -> Signer:
    return Signer.load(tmp_path / "second.pem")


@pytest.fixture
async def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    monkeypatch.chdir(tmp_path)
    facts: Any = {"bucket": "recordings-prod"}
    async with Walk(onboarding_of(facts), Settings(api_url=WHERE, home=tmp_path / "home")) as walk:
        walk.plan = Plan(where=WHERE, changes=(CUT,))
        walk._connected_with = walk.settings.client_secret
        ended(walk, "connect", org_id="o-1", doctor={"organization": {"id": "o-1", "name": "O"}, "clock_skew_s": 0})
        ended(walk, "plan")
        ended(walk, "validate_bucket")
        yield walk


def ended(walk: Walk, name: str, **data: Any) -> None:
    walk._results[name] = Result(name, "done", "done", data, input_hash=walk._input_hash(name))


def signed(walk: Walk, key: Signer, days_ago: float = 0, **changes: Any) -> Approval:
    planned = planned_of(walk).model_copy(update=changes)
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return approve(PlanFile.of(planned, None), key, at, reason="agreed", days=7)


def required(walk: Walk, *keys: str) -> None:
    walk.settings = walk.settings.model_copy(update={"approvers": " ".join(keys)})


@pytest.mark.parametrize("text", [f"{ONE} {TWO}", f"{ONE},{TWO}", "keys.txt"])
def test_a_list_is_keys_or_a_file_of_keys(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walk: Walk
) -> None:
    (tmp_path / "keys.txt").write_text(f"# who may approve\n{ONE}  # Anna\n\n{TWO}\n")
    found = approvers_of(Settings(approvers=text), walk.onboarding)
    assert found is not None
    assert (found.keys, found.where) == ((ONE, TWO), "OPSLIB_APPROVERS")


@pytest.mark.parametrize("text", ["missing.txt", "ed25519:12", f"{ONE} anna", "empty.txt", "."])
def test_a_list_that_cannot_be_read_lets_nothing_through(text: str, tmp_path: Path, walk: Walk) -> None:
    """It is no list that nobody set: it is refused."""
    (tmp_path / "empty.txt").write_text("# nobody\n")
    with pytest.raises(errors.InvalidInput):
        approvers_of(Settings(approvers=text), walk.onboarding)
    assert is_required(Settings(approvers=text), walk.onboarding)


def test_of_two_lists_a_key_must_be_in_both(tmp_path: Path, walk: Walk) -> None:
    """Where none is, nothing can be approved; a profile's own list is enough to require one."""
    own = Onboarding.model_validate({**dict(walk.onboarding), "profile": own_profile(tmp_path, ONE, TWO)})
    for setting, keys in (("", (ONE, TWO)), (f"{TWO} {THREE}", (TWO,))):
        found = approvers_of(Settings(approvers=setting), own)
        assert found is not None
        assert found.keys == keys
    with pytest.raises(errors.InvalidInput, match="No key can approve"):
        approvers_of(Settings(approvers=THREE), own)
    assert approvers_of(Settings(), walk.onboarding) is None


async def test_the_step_refuses_ones_own_consent(walk: Walk, key: Signer) -> None:
    """Also with everything allowed; with the approval it is done, and all of it is noted, with the list."""
    walk.consent = Consent(allow=("shorter-retention",), reason="r")
    required(walk, key.public_key)
    ended(walk, "connect", org_id="o-1", doctor={"organization": {"id": "o-1", "name": "O"}, "clock_skew_s": 0})
    ended(walk, "plan")
    ended(walk, "validate_bucket")
    with pytest.raises(errors.ApprovalRefused, match="second key"):
        await walk.run("approve")
    assert not list(walk.journal.entries(APPROVAL))
    walk.approval = signed(walk, key)
    assert (await walk.run("approve")).summary.startswith(f"Approved by key {key.key_id}: 1 to change")
    (entry,) = walk.journal.entries(APPROVAL)
    assert Approval.model_validate(entry.data["document"]) == walk.approval
    assert (entry.data["approvers"], entry.data["unsafe"]) == ([key.public_key], ["shorter-retention"])


def test_a_clock_that_is_set_back_revives_nothing(walk: Walk, key: Signer) -> None:
    """The org's clock counts, too."""
    approval = signed(walk, key)
    assert walk.plan
    refuse_unapproved(walk, approval, walk.plan)
    doctor = {"organization": {"id": "o-1", "name": "O"}, "clock_skew_s": 8 * 86400}
    ended(walk, "connect", org_id="o-1", doctor=doctor)
    with pytest.raises(errors.ApprovalRefused, match="does not count") as caught:
        refuse_unapproved(walk, approval, walk.plan)
    assert "expired" in caught.value.cause


def test_consent_holds_only_for_the_plan_that_was_signed(walk: Walk, key: Signer) -> None:
    """Not for another one, nor for one without changes, whose approval nobody checks."""
    walk.approval = signed(walk, key)
    assert agrees(walk, "shorter-retention")
    assert not agrees(walk, "failed-validation")
    for plan in (Plan(where=WHERE, changes=()), Plan(where=WHERE, changes=(CUT.model_copy(update={"name": "U"}),))):
        walk.plan = plan
        assert not agrees(walk, "shorter-retention")


@pytest.mark.parametrize("listed", [True, False])
async def test_an_unfit_bucket_is_not_allowed_alone_where_a_second_key_is_required(
    walk: Walk, key: Signer, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before an apply nor when it is finished."""
    walk.consent = Consent(allow=("failed-validation",), reason="r")
    required(walk, *([key.public_key] if listed else []))
    assert agrees_by_name(walk, "failed-validation", walk.onboarding) is not listed

    async def failed(*_: object) -> Result:
        return Result("validate_bucket", "failed", "unfit", error=errors.BucketUnfit("u", cause="c", fix="f"))

    monkeypatch.setattr("opslib.walk.look._looked_again", failed)
    assert walk.plan
    nowhere: Any = None
    bucket = Bucket(walk.onboarding, nowhere, "o-1")
    writing = Writing("resume", walk.plan.checksum, (), "")
    if listed:
        with pytest.raises(errors.ConsentMissing) as caught:
            await refuse_unfit(walk, bucket, writing)
        assert "a second key must agree to failed-validation: in the notebook, validate" in caught.value.fix
    else:
        await refuse_unfit(walk, bucket, writing)


async def test_who_needs_consent_to_an_unfit_bucket_is_told_where_to_get_it(walk: Walk, key: Signer) -> None:
    """The plan of `opslib plan` does not name it, so its approval would be refused each time."""
    required(walk, key.public_key)
    ended(walk, "connect", org_id="o-1", doctor={"organization": {"id": "o-1", "name": "O"}, "clock_skew_s": 0})
    ended(walk, "plan")
    ended(walk, "validate_bucket")
    walk._results["validate_bucket"] = replace(walk._results["validate_bucket"], state="unknown")
    walk.approval = signed(walk, key, unsafe=())
    with pytest.raises(errors.ConsentMissing) as caught:
        await walk.run("approve")
    assert "failed-validation" in caught.value.cause
    assert "in the notebook, validate the bucket and then “Save the plan”" in caught.value.fix


def test_an_unfit_bucket_is_in_the_plan_that_is_saved(walk: Walk) -> None:
    """Once it was validated, so that a second key can agree to it."""
    assert planned_of(walk).all_unsafe == ("shorter-retention",)
    walk._results["validate_bucket"] = Result(
        "validate_bucket", "failed", "unfit", input_hash=walk._input_hash("validate_bucket")
    )
    assert planned_of(walk).all_unsafe == ("shorter-retention", "failed-validation")
    assert isinstance(planned_of(walk), Planned)
