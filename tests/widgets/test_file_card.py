"""The onboarding as YAML beside the forms: one thing, in two shapes."""

from pathlib import Path

import pytest

from opslib.onboarding.file import as_yaml, load_onboarding, parse_onboarding
from opslib.walk.walk import Walk
from opslib.widgets import WalkCards
from opslib.widgets.file_card import FileCard
from opslib.widgets.form import Sections

from .conftest import browser_sets, everything, fill
from .test_form import form


@pytest.fixture
def file(cards: WalkCards) -> FileCard:
    return cards.file


def says(file: FileCard) -> str:
    return file._status.value


def longer(walk: Walk) -> str:
    """The onboarding's text with another retention."""
    return as_yaml(walk.onboarding).replace("retention_days: 365", "retention_days: 500")


async def test_the_text_follows_the_forms(cards: WalkCards, walk: Walk, file: FileCard) -> None:
    """It reads back to what the walk has."""
    assert parse_onboarding(file.yaml.value, "x") == walk.onboarding
    assert "edited" not in says(file)
    fill(form(cards, "validate_bucket").controls["bucket"], "another-bucket")
    assert "bucket: another-bucket" in file.yaml.value
    assert "bucket: another-bucket" in file.receipt()
    assert "edited" not in says(file)


async def test_a_pasted_text_is_used_when_it_is_asked_for(cards: WalkCards, walk: Walk, file: FileCard) -> None:
    """Not before; then the forms hold it, and what rests on it is stale."""
    await cards["connect"].click()
    await cards["plan"].click()
    browser_sets(file.yaml, value=longer(walk))
    assert walk.onboarding.target.retention_days == 365
    assert "not used yet" in says(file)
    file.use.click()
    assert (walk.onboarding.target.retention_days, walk.onboarding.policy.retention_days) == (500, 500)
    assert "The forms hold what the text says" in says(file)
    assert ("Retention (days)", "500") in cards["validate_bucket"].form.rows()
    assert [walk.state(name) for name in ("connect", "plan")] == ["done", "stale"]


async def test_a_wrong_text_says_line_and_field_and_changes_nothing(walk: Walk, file: FileCard) -> None:
    """As an alert; the text stays, to be corrected, also when a form is changed meanwhile."""
    wrong = longer(walk).replace("us-east-1", "<b>atlantis")
    browser_sets(file.yaml, value=wrong)
    file.use.click()
    assert 'role="alert"' in says(file)
    assert "line 7, target.region: AWS has no region &#x27;&lt;b&gt;atlantis&#x27;" in says(file)
    assert walk.onboarding.target.region == "us-east-1"
    walk.onboarding = walk.onboarding.model_copy(update={"profile": "cftc"})
    assert file.yaml.value == wrong


async def test_a_file_is_loaded_over_what_is_wrong_in_a_form(
    cards: WalkCards, walk: Walk, file: FileCard, tmp_path: Path
) -> None:
    """What was typed and did not fit does not come back to change what was loaded."""
    policy = form(cards, "plan.Retention policy")
    fill(policy.controls["retention_days"], 400)
    assert policy.problems
    (tmp_path / "mine.yaml").write_text(longer(walk))
    browser_sets(file.file, value="mine.yaml")
    file.load.click()
    assert "The forms hold what mine.yaml says" in says(file)
    assert policy.problems == []
    assert walk.onboarding == load_onboarding(tmp_path / "mine.yaml")
    assert ("Retention (days)", "500") in policy.rows()
    browser_sets(file.file, value="none.yaml")
    file.load.click()
    assert 'role="alert"' in says(file)


async def test_saving_writes_what_the_forms_hold_and_nothing_else_over(
    cards: WalkCards, walk: Walk, file: FileCard, tmp_path: Path
) -> None:
    """A file that is not known from here is left alone; so is everything while a form is not valid."""
    saved = tmp_path / "onboarding.yaml"
    file.save.click()
    assert load_onboarding(saved) == walk.onboarding
    fill(form(cards, "validate_bucket").controls["name"], "Renamed")
    file.save.click()
    assert load_onboarding(saved).target.name == "Renamed"
    (tmp_path / "precious.txt").write_text("mine")
    browser_sets(file.file, value="precious.txt")
    file.save.click()
    assert "precious.txt exists already" in says(file)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    fill(form(cards, "validate_bucket").controls["retention_days"], 0)
    browser_sets(file.file, value="onboarding.yaml")
    file.save.click()
    assert "Not saved: Retention (days): must be 1 or more" in says(file)
    assert load_onboarding(saved).target.retention_days == 365
    browser_sets(file.file, value="no-such-folder/x.yaml")
    fill(form(cards, "validate_bucket").controls["retention_days"], 366)
    file.save.click()
    assert "cannot be written" in says(file)


@pytest.mark.parametrize("line", ["secret_access_key: {}", "{{secretAccessKey: '{}'}}", "  client_secret : {}"])
async def test_a_pasted_secret_is_put_out_at_once(walk: Walk, file: FileCard, line: str) -> None:
    """Not in the text, not in any widget's state, so in no notebook that is saved."""
    secret = "canary-pasted-into-the-text"
    browser_sets(file.yaml, value=as_yaml(walk.onboarding) + line.format(secret))
    assert "secrets are no part of the file" in says(file)
    assert secret not in repr([one.get_state() for one in everything(file.widget)])
    assert file.yaml.value == as_yaml(walk.onboarding)


async def test_sections_and_summaries_forget_too(cards: WalkCards) -> None:
    """Every panel can be asked."""
    for name in ("plan", "approve", "validate_bucket", "connect"):
        panel = cards[name].form
        assert panel
        panel.forget()
        panel.sync()
        assert not panel.problems
    assert isinstance(cards["plan"].form, Sections)
