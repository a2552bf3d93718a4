"""What a walk asks consent for, and what it takes for consent."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.ledger.actor import machine
from opslib.onboarding.models import Consent
from opslib.router.plan import Change, Plan
from opslib.settings import Settings
from opslib.walk.consent import agreed_to, agrees, agrees_by_name, note_approval
from opslib.walk.state_machine import Result
from opslib.walk.steps import STEPS
from opslib.walk.walk import Walk

from ..router.org import onboarding

WHERE = "https://api.mypurecloud.de"


@pytest.fixture
async def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    monkeypatch.chdir(tmp_path)
    facts: Any = {"bucket": "recordings-prod"}
    settings = Settings(api_url=WHERE, home=tmp_path / "home")
    async with Walk(onboarding(facts, target={"name": "Voice"}), settings) as walk:
        walk.plan = plan_of("disable")
        walk._connected_with = walk.settings.client_secret
        ended(walk, "connect", "done")
        ended(walk, "plan", "done")
        yield walk


def plan_of(*unsafe: str) -> Plan:
    change = Change(action="update", kind="target", id="t-1", name="T", before={"a": 1}, after={"a": 2}, unsafe=unsafe)
    return Plan(where=WHERE, changes=(change,))


def ended(walk: Walk, name: str, state: Any, error: errors.OpslibError | None = None) -> None:
    walk._results[name] = Result(name, state, f"it is {state}", error=error, input_hash=walk._input_hash(name))


@pytest.mark.parametrize("state", ["done", "failed", "unknown", None])
@pytest.mark.parametrize("removal", [False, True])
@pytest.mark.parametrize("changes", [True, False])
def test_a_bucket_that_did_not_pass_needs_consent_of_its_own(
    walk: Walk, state: str | None, removal: bool, changes: bool
) -> None:
    """Also where it is not known, unless nothing will be written there."""
    walk.plan = plan_of("disable") if changes else Plan(where=WHERE, changes=())
    walk.removal = removal
    ended(walk, "connect", "done")
    if state:
        ended(walk, "validate_bucket", state)
    asked = ["disable"] if changes else []
    unproven = not removal and (state == "failed" or (changes and state != "done"))
    assert walk.needs_consent() == asked + ["failed-validation"] * unproven


async def approved(walk: Walk, consent: Consent) -> Any:
    walk.consent = consent
    return await STEPS["approve"].act(walk)


@pytest.mark.parametrize(
    "consent",
    [
        Consent(),
        Consent(confirm="voice", reason="tonight"),
        Consent(confirm="Voice"),
        Consent(allow=("disable",), reason="tonight"),
        Consent(allow=("failed-validation",), reason="tonight"),
        Consent(allow=("disable", "failed-validation")),
        Consent(confirm="Voice", reason="tonight", until=date(2020, 1, 1)),
    ],
)
async def test_what_is_not_agreed_to_is_refused(walk: Walk, consent: Consent) -> None:
    """Each unsafe thing needs its name, or the target's, a reason and an end to come; no approval is written down."""
    ended(walk, "validate_bucket", "failed")
    with pytest.raises(errors.ConsentMissing, match="needs consent"):
        await approved(walk, consent)
    assert list(walk.journal.entries("approval")) == []


@pytest.mark.parametrize(
    "consent",
    [
        Consent(confirm="Voice", reason="tonight"),
        Consent(allow=("disable", "failed-validation"), reason="tonight"),
    ],
)
async def test_an_approval_says_what_it_is_for(walk: Walk, consent: Consent) -> None:
    """Just this plan, what is unsafe in it, the consent, and who gave it."""
    ended(walk, "validate_bucket", "failed")
    result = await approved(walk, consent)
    (entry,) = walk.journal.entries("approval")
    assert walk.plan
    unsafe = ["disable", "failed-validation"]
    data = {"checksum": walk.plan.checksum, "unsafe": unsafe, **consent.model_dump(mode="json")}
    (actor,) = walk.journal.entries("actor")
    assert entry.data == {**data, **machine(), "actor": actor.seq}
    assert (result.step, result.state, result.data) == ("approve", "done", data)
    assert result.summary == "Approved: 1 to change, with consent to disable, failed-validation"


async def test_a_safe_plan_needs_none(walk: Walk) -> None:
    """And says so."""
    walk.plan = plan_of()
    ended(walk, "validate_bucket", "done")
    assert (await approved(walk, Consent())).summary == "Approved: 1 to change"
    walk.plan = Plan(where=WHERE, changes=())
    assert (await approved(walk, Consent())).summary == "Approved: nothing to change"


async def test_a_refusal_says_how_to_agree(walk: Walk) -> None:
    """Each thing by name, the bucket's own fix first, and a reason where one is needed."""
    ended(walk, "validate_bucket", "failed", errors.BucketUnfit("Unfit", cause="it is public", fix="close it"))
    with pytest.raises(errors.ConsentMissing) as caught:
        await approved(walk, Consent())
    assert caught.value.fix == (
        "close it; then run this again. To continue without that, on the command line: --allow disable "
        '--allow failed-validation --reason "…"; in the notebook: type the target\'s name, Voice, and a reason. '
        "Nothing was applied"
    )
    assert caught.value.cause.endswith("its validation: it is failed: it is public")
    with pytest.raises(errors.ConsentMissing) as caught:
        await approved(walk, Consent(allow=("failed-validation",), reason="tonight"))
    assert caught.value.fix == (
        'on the command line: --allow disable --reason "…"; in the notebook: type the target\'s name, Voice, and a '
        "reason. Nothing was applied"
    )


TODAY = date(2026, 11, 24)
YESTERDAY = date(2026, 11, 23)


@pytest.fixture
def on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """No midnight comes in between."""
    monkeypatch.setattr("opslib.walk.consent._today", lambda: TODAY)


@pytest.mark.usefixtures("on_a_day")
@pytest.mark.parametrize(("until", "holds"), [(TODAY, True), (YESTERDAY, False), (None, True)])
def test_consent_holds_on_its_last_day_and_not_after(walk: Walk, until: date | None, holds: bool) -> None:
    """By the day in UTC; without an end, for some months."""
    walk.consent = Consent(allow=("disable",), reason="tonight", until=until)
    assert agrees(walk, "disable") == holds
    assert agrees_by_name(walk, "disable") == holds


def test_a_typed_name_agrees_to_what_was_shown_only(walk: Walk) -> None:
    """What is found later needs its own name, and a reason."""
    walk.consent = Consent(confirm="Voice", reason="tonight")
    assert agrees(walk, "disable")
    assert not agrees_by_name(walk, "disable")
    walk.consent = Consent(allow=("disable",))
    assert not agrees_by_name(walk, "disable")
    walk.consent = Consent(allow=("many",), confirm="Voice", reason="tonight")
    assert not agrees_by_name(walk, "disable")
    assert agrees_by_name(walk, "many")


def test_what_was_approved_counts_for_its_plan_by_the_last_approval(walk: Walk) -> None:
    """Another plan's does not; a later one that leaves it out takes it back."""
    walk.consent = Consent(allow=("disable",), reason="tonight")
    assert not agreed_to(walk, "c-1", "disable")
    note_approval(walk, "c-1", ["disable", "many"])
    assert agreed_to(walk, "c-1", "disable")
    assert agreed_to(walk, "c-1", "many")
    assert not agreed_to(walk, "c-1", "delete")
    assert not agreed_to(walk, "c-2", "disable")
    note_approval(walk, "c-1", ["many"])
    assert not agreed_to(walk, "c-1", "disable")


@pytest.mark.usefixtures("on_a_day")
@pytest.mark.parametrize(("until", "holds"), [(TODAY, True), (YESTERDAY, False)])
def test_what_was_approved_counts_until_its_last_day(walk: Walk, until: date, holds: bool) -> None:
    walk.consent = Consent(allow=("disable",), reason="tonight", until=until)
    note_approval(walk, "c-1", ["disable"])
    assert agreed_to(walk, "c-1", "disable") == holds


def test_an_approval_of_an_older_release_has_no_end_in_it(walk: Walk) -> None:
    """It holds as long as one without an end, from the day on which it was given."""
    walk.journal.append("approval", {"checksum": "c-1", "unsafe": ["disable"]})
    assert agreed_to(walk, "c-1", "disable")
