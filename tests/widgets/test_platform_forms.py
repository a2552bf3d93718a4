"""The cards of a walk on the platform API: their forms have what that API knows, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opslib.onboarding.file import as_yaml
from opslib.walk.walk import Walk
from opslib.widgets import WalkCards
from opslib.widgets.documents import FeedDocuments
from opslib.widgets.form import Form, Sections

from ..router import org as storage_targets
from ..router import platform_org as org
from ..world import Sandbox, environment


@pytest.fixture
async def walk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(org.onboarding(sandbox)) as walk:
        yield walk


def fields(panel: object) -> set[str]:
    assert isinstance(panel, Form)
    return set(panel.controls)


def planning(cards: WalkCards) -> Sections:
    panel = cards["plan"].form
    assert isinstance(panel, Sections)
    return panel


async def test_the_forms_have_what_the_api_knows(walk: Walk) -> None:
    """No ids, which are the server's; no webhook events; conditions and the AWS account instead."""
    cards = WalkCards(walk)
    target = fields(cards["validate_bucket"].form)
    policy, feed = (fields(panel) for panel in planning(cards).panels.values())
    assert {"bucket", "credentials"} <= target
    assert {"conditions", "all_interactions", "retention_days"} <= policy
    assert {"account", "region", "suffix", "url"} <= feed
    assert not {"id", "events", "authentication", "integration_type"} & (target | policy | feed)


async def test_a_condition_is_typed_and_a_missing_one_explained(walk: Walk) -> None:
    """Ids with commas become the policy's; without any, the form says why that does not go."""
    policy = planning(WalkCards(walk)).panels["Retention policy"]
    assert isinstance(policy, Form)
    conditions = policy.controls["conditions"]
    queues, directions = conditions.controls["queues"], conditions.controls["directions"]  # type: ignore[attr-defined]
    queues._input.value = f" {org.QUEUE},{org.OTHER_QUEUE} "
    assert walk.onboarding.policy.conditions.queues == (org.QUEUE, org.OTHER_QUEUE)
    queues._input.value = ""
    assert any("matches every interaction" in problem for problem in policy.problems)
    assert walk.onboarding.policy.conditions.queues == (org.QUEUE, org.OTHER_QUEUE)
    directions._boxes["INBOUND"].value = True
    assert policy.problems == []
    assert walk.onboarding.policy.conditions.directions == ("INBOUND",)


async def test_what_the_form_does_not_show_stays(walk: Walk, sandbox: Sandbox) -> None:
    """A type or an id from the file survives a change of another field."""
    walk.onboarding = org.onboarding(sandbox, target={"id": "pinned", "integration_type": "some-type"})
    form = WalkCards(walk)["validate_bucket"].form
    assert isinstance(form, Form)
    form.controls["retention_days"]._input.value = "400"  # type: ignore[attr-defined]
    target = walk.onboarding.target
    assert (target.id, target.integration_type, target.retention_days) == ("pinned", "some-type", 400)


async def test_the_cards_bring_the_diagnosis_and_the_aws_side(walk: Walk, sandbox: Sandbox) -> None:
    """Connected, the card says who we are and has the roles to copy; the event's card has the commands for AWS."""
    cards = WalkCards(walk)
    panel = cards["see_event"].form
    assert isinstance(panel, FeedDocuments)
    assert "once connected" in panel.widget.value
    await cards["connect"].click()
    page = cards["connect"].receipt()
    for words in ("What the org says", sandbox["org_id"], "May recording:retentionPolicy:view", "role “auditor”"):
        assert words in page
    assert f"aws.partner/genesys.com/cloud/{sandbox['org_id']}/opslib" in panel.widget.value
    assert "check-feed" in cards["see_event"].receipt()


async def test_the_forms_follow_an_onboarding_for_the_other_backend(walk: Walk, sandbox: Sandbox) -> None:
    """Such as from a file: cards that are shown already get the other fields, and back; what was not valid is gone."""
    cards = WalkCards(walk)
    card = cards["validate_bucket"]
    assert "id" not in fields(card.form)
    other = storage_targets.onboarding(sandbox)
    platform, walk.onboarding = walk.onboarding, other
    assert "id" in fields(card.form)
    assert set(planning(cards).panels) == {"Retention policy", "Data-lake webhook"}
    assert cards["see_event"].form is None
    card.form.controls["retention_days"]._input.value = "500"  # type: ignore[union-attr]
    assert walk.onboarding.target.retention_days == 500
    cards.file.yaml.value = as_yaml(platform)
    cards.file.use.click()
    assert walk.onboarding == platform
    assert "id" not in fields(card.form)
