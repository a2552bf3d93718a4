"""The card “Approve” saves the plan and takes the approval of a second key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from opslib.errors import ApprovalRefused
from opslib.ledger.signing import Signer
from opslib.router.approval import approve, read_plan, write_new
from opslib.walk.walk import Walk
from opslib.widgets import WalkCards
from opslib.widgets.form import Sections
from opslib.widgets.second_key import SecondKey

from ..world import Sandbox
from .conftest import browser_sets


def panel(cards: WalkCards) -> SecondKey:
    form = cards["approve"].form
    assert isinstance(form, Sections)
    found = form.panels["A second key"]
    assert isinstance(found, SecondKey)
    return found


async def test_out_to_a_second_key_and_back(cards: WalkCards, walk: Walk, tmp_path: Path, sandbox: Sandbox) -> None:
    """Where a key is listed, the button refuses and the card says why; with the file it approves. A key that
    is not listed any more when it is applied counts no more, and nothing is written."""
    second, keys = Signer.load(tmp_path / "keys" / "second.pem"), tmp_path / "keys.txt"
    keys.write_text(second.public_key)
    walk.settings = walk.settings.model_copy(update={"approvers": str(keys)})
    card, files = cards["approve"], panel(cards)
    assert "A second key must approve this plan: OPSLIB_APPROVERS lists 1 key" in files._state.value
    files.save.click()
    assert "plan first" in files._said.value
    for step in ("connect", "validate_bucket", "plan"):
        await cards[step].click()
    with pytest.raises(ApprovalRefused, match="second key"):
        await card.click()
    assert "opslib approve plan.json" in card.receipt()
    files.save.click()
    assert "✔ Saved the plan to plan.json" in files._said.value
    files.save.click()
    assert "exists already" in files._said.value
    approval = approve(read_plan(tmp_path / "plan.json"), second, datetime.now(UTC), reason="CHG-12", days=7)
    write_new(tmp_path / "plan.approval.json", approval)
    files.use.click()
    assert walk.approval == approval
    assert f"The approval of key {second.public_key}" in card.receipt()
    await card.click()
    assert card.state == "done"
    keys.write_text("ed25519:" + "0" * 64)
    with pytest.raises(ApprovalRefused, match="does not count"):
        await cards["apply"].click()
    assert not [one for one in sandbox.requests() if one["method"] in ("PUT", "DELETE")]
    files.drop.click()
    assert (walk.approval, walk.state("approve")) == (None, "stale")


def test_a_file_that_is_no_approval_is_not_taken(cards: WalkCards, walk: Walk, tmp_path: Path) -> None:
    """Nor one that is not there; the card says so as an alert."""
    files = panel(cards)
    (tmp_path / "other.json").write_text("{}")
    for name in ("other.json", "missing.json"):
        browser_sets(files.approval, value=name)
        files.use.click()
        assert 'role="alert"' in files._said.value
        assert walk.approval is None


def test_without_a_list_the_card_stays_as_it_was(cards: WalkCards) -> None:
    """One quiet button, and nothing in the receipt."""
    assert panel(cards).rows() == []
    assert "second key" not in cards["approve"].receipt()
