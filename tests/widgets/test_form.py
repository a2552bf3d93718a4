"""Forms: what is valid reaches the walk at once; what is not is explained beside its field and changes nothing."""

import html
from pathlib import Path
from typing import Any, Literal

import ipywidgets as w
import pytest
from pydantic import BaseModel, Field, SecretStr

from opslib.credentials import RoleReference
from opslib.errors import InvalidInput
from opslib.settings import Settings
from opslib.walk.walk import Walk
from opslib.widgets import Form, WalkCards
from opslib.widgets.fields import Choice, Control
from opslib.widgets.form import Sections
from opslib.widgets.walk_forms import keys_note, origins

from ..world import Sandbox
from .conftest import browser_sets, everything, fill

POLICY, WEBHOOK = "plan.Retention policy", "plan.Data-lake webhook"


def form(cards: WalkCards, name: str) -> Form[Any]:
    """The form on a card; of several, the one named after the dot."""
    name, _, section = name.partition(".")
    panel = cards[name].form
    if section:
        assert isinstance(panel, Sections)
        panel = panel.panels[section]
    assert isinstance(panel, Form)
    return panel


def beside(control: Control) -> str:
    """What stands below a control's input."""
    return "".join(one.value for one in everything(control.widget) if isinstance(one, w.HTML))


BAD = [
    ("validate_bucket", "id", "../x", "an id has"),
    ("validate_bucket", "name", " ", "a name is not empty"),
    ("validate_bucket", "bucket", "Not_A_Bucket", "not an S3 bucket name"),
    ("validate_bucket", "region", "atlantis-1", "AWS has no region"),
    ("validate_bucket", "path_prefix", "a/../b", "path prefix"),
    ("validate_bucket", "retention_days", 0, "must be 1 or more"),
    ("validate_bucket", "retention_days", 99999, "must be 36525 or less"),
    (POLICY, "recording_types", (), "choose 1 or more"),
    (POLICY, "retention_days", -1, "must be 1 or more"),
    (WEBHOOK, "url", "ftp://x", "a webhook URL starts with https"),
    (WEBHOOK, "url", "https://user:pw@x.example/", "no user name or password"),
    (WEBHOOK, "url", "https://x.example/" + "a" * 3000, "must have 2048 characters or fewer"),
    ("connect", "api_url", "http://api.mypurecloud.com", "https only"),
    ("connect", "api_url", "https://evil.example", "belongs to no Genesys Cloud region"),
    ("connect", "login_url", "https://user:pw@login.mypurecloud.com", "user name or password"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("step", "field", "value", "message"), BAD)
async def test_a_wrong_value_is_explained_beside_its_field(
    cards: WalkCards, walk: Walk, sandbox: Sandbox, step: str, field: str, value: object, message: str
) -> None:
    """As an alert with icon and word; Run looks closed and refuses, with the reason; the walk keeps what it had."""
    before, control = (walk.onboarding, walk.settings), form(cards, step).controls[field]
    right = control.raw()
    for name in cards:
        if name == step.partition(".")[0]:
            break
        await cards[name].click()
    fill(control, value)
    assert message in beside(control)
    assert '<p class="ops-problem" role="alert"><span aria-hidden="true">✖</span> <strong>Error:</strong>' in beside(
        control
    )
    others = [one for name, one in form(cards, step).controls.items() if name != field]
    assert not any("alert" in beside(one) for one in others)
    assert (walk.onboarding, walk.settings) == before
    card = cards[step.partition(".")[0]]
    assert "ops-closed" in card.run_button._dom_classes
    assert message in card.receipt()
    sandbox.control("DELETE", "/requests")
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(")):
        await card.click()
    assert sandbox.requests() == []
    fill(control, right)
    assert "alert" not in beside(control)
    assert "ops-closed" not in card.run_button._dom_classes
    assert not card.run_button.disabled


async def test_the_walk_keeps_the_last_valid_value(cards: WalkCards, walk: Walk) -> None:
    """Two boxes are unticked one after the other: the first is valid, the second leaves nothing."""
    events = form(cards, WEBHOOK).controls["events"]
    fill(events, ())
    assert "choose 1 or more" in beside(events)
    assert walk.onboarding.webhook.events == ("routing.recording.policy.updated",)
    assert "choose 1 or more" in cards["plan"].receipt()


async def test_a_valid_value_reaches_the_walk(cards: WalkCards, walk: Walk) -> None:
    """At once, typed as the model says."""
    fill(form(cards, "validate_bucket").controls["bucket"], "another-bucket")
    fill(form(cards, POLICY).controls["recording_types"], ("voice", "screen"))
    fill(form(cards, WEBHOOK).controls["url"], "https://lake.example.com/in")
    assert walk.onboarding.target.bucket == "another-bucket"
    assert walk.onboarding.policy.recording_types == ("voice", "screen")
    assert walk.onboarding.webhook.url == "https://lake.example.com/in"
    assert ("Retention policy: Recording types", "voice, screen") in cards["plan"].form.rows()


async def test_what_does_not_fit_together_is_said_where_it_was_typed(cards: WalkCards, walk: Walk) -> None:
    """A policy above the target's retention; a longer target makes it fit, without typing it again."""
    policy, target = form(cards, POLICY), form(cards, "validate_bucket")
    fill(policy.controls["retention_days"], 400)
    said = "policy retention (400 days) is above the target's (365 days)"
    assert said in policy.problems[0]
    (shown,) = (one.value for one in everything(policy.widget) if isinstance(one, w.HTML) and "above" in one.value)
    assert html.unescape(shown).count(said) == shown.count('role="alert"') == 1
    assert walk.onboarding.policy.retention_days == 365
    assert target.problems == []
    fill(target.controls["retention_days"], 500)
    assert policy.problems == []
    assert walk.onboarding.policy.retention_days == 400
    fill(target.controls["retention_days"], 10)
    assert "is above the target's (10 days)" in target.problems[0]
    assert "on the card “Plan”" in target.problems[0]
    assert walk.onboarding.target.retention_days == 500


async def test_the_way_of_access_is_a_choice_with_its_own_fields(cards: WalkCards, walk: Walk) -> None:
    """Only errors of what is chosen are shown; the other choice keeps what was typed."""
    target = form(cards, "validate_bucket")
    choice = target.controls["credentials"]
    assert isinstance(choice, Choice)
    fill(choice, RoleReference)
    assert {problem.split(":")[0] for problem in target.problems} == {"Role ARN", "External id"}
    role = choice._groups[RoleReference].controls
    fill(role["role_arn"], "arn:aws:iam::123456789012:role/Recordings")
    assert {problem.split(":")[0] for problem in target.problems} == {"External id"}
    fill(role["external_id"], "genesys-org-1")
    assert target.problems == []
    assert isinstance(walk.onboarding.target.credentials, RoleReference)
    assert ("Role ARN", "arn:aws:iam::123456789012:role/Recordings") in target.rows()


async def test_a_change_made_elsewhere_shows_in_the_form(cards: WalkCards, walk: Walk) -> None:
    """Such as by a cell; the form does not write back."""
    changed = walk.onboarding.target.model_copy(update={"name": "Renamed"})
    walk.onboarding = walk.onboarding.model_copy(update={"target": changed})
    assert ("Name", "Renamed") in form(cards, "validate_bucket").rows()
    assert walk.onboarding.target.name == "Renamed"


async def test_the_connection_says_where_each_value_came_from(
    cards: WalkCards, walk: Walk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Environment, .env, or this session; and an emptied URL falls back to the region."""
    connection = form(cards, "connect")
    assert "from the environment" in beside(connection.controls["api_url"])
    assert "set (from the environment)" in beside(connection.controls["client_secret"])
    fill(connection.controls["client_id"], "typed")
    assert "from this session" in beside(connection.controls["client_id"])
    fill(connection.controls["region"], "mypurecloud.de")
    fill(connection.controls["api_url"], "")
    fill(connection.controls["login_url"], "")
    assert walk.settings.api_base == "https://api.mypurecloud.de"
    assert walk.settings.home == tmp_path
    monkeypatch.delenv("OPSLIB_CLIENT_SECRET")
    secret = walk.settings.client_secret.get_secret_value()
    (tmp_path / ".env").write_text(f"OPSLIB_CLIENT_SECRET={secret}\nOPSLIB_REGION=eu-central-1\n")
    assert origins(walk.settings)["client_secret"] == "from .env"
    assert origins(walk.settings)["region"] == "from .env"


async def test_a_secret_that_is_typed_does_not_go_where_a_dotenv_says(
    cards: WalkCards, walk: Walk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The field says why; with the file's own secret, or an address of one's own, it may be used."""
    for name in ("LOGIN_URL", "CLIENT_SECRET"):
        monkeypatch.delenv(f"OPSLIB_{name}")
    theirs = "OPSLIB_LOGIN_URL=https://login.mypurecloud.de\nOPSLIB_CLIENT_SECRET=their-decoy-of-the-file\n"
    (tmp_path / ".env").write_text(theirs)
    monkeypatch.chdir(tmp_path)
    before = Settings.load()
    walk.settings = before
    connection = form(cards, "connect")
    assert "from .env" in beside(connection.controls["login_url"])
    browser_sets(connection.controls["client_secret"].field._input, value="typed-canary-of-the-form")
    assert "sets OPSLIB_LOGIN_URL, and the client secret comes from an argument" in "".join(connection.problems)
    assert walk.settings is before
    fill(connection.controls["login_url"], "https://login.mypurecloud.com")
    assert walk.settings.client_secret.get_secret_value() == "typed-canary-of-the-form"


async def test_a_typed_secret_is_used(cards: WalkCards, walk: Walk, sandbox: Sandbox) -> None:
    """Typed wrong, then right: the step fails, then works."""
    field = form(cards, "connect").controls["client_secret"].field._input
    browser_sets(field, value="not-the-secret-of-this-client-at-all")
    with pytest.raises(Exception, match="did not accept the client id and secret"):
        await cards["connect"].click()
    browser_sets(field, value=sandbox["client_secret"])
    assert field.value == ""
    assert (await cards["connect"].click()).state == "done"


async def test_a_secret_from_the_keyring_is_used_and_said(
    cards: WalkCards, walk: Walk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the client that is typed; cleared, it comes back, for that is what the keyring says."""
    known = {sandbox["client_id"]: SecretStr(sandbox["client_secret"])}
    monkeypatch.setattr("opslib.settings.kept_secret", known.get)
    monkeypatch.delenv("OPSLIB_CLIENT_SECRET")
    connection = form(cards, "connect")
    secret = connection.controls["client_secret"]
    fill(connection.controls["client_id"], "another-client")
    secret.field.clear()
    assert "no value is set" in beside(secret)
    fill(connection.controls["client_id"], sandbox["client_id"])
    assert "a value is set (from the keyring)" in beside(secret)
    assert (await cards["connect"].click()).state == "done"
    secret.field.clear()
    assert "a value is set (from the keyring)" in beside(secret)
    assert sandbox["client_secret"] not in cards["connect"].receipt()


async def test_the_form_says_where_the_aws_key_was_found(
    cards: WalkCards, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the environment, in a profile, or nowhere and then which variable is missing."""
    assert "✔ found in the environment" in beside(form(cards, "validate_bucket").controls["credentials"])
    monkeypatch.chdir(tmp_path)
    names = {"access_key_id_env": "AWS_ACCESS_KEY_ID", "secret_access_key_env": "NO_SUCH_KEY"}
    assert "NO_SUCH_KEY" in keys_note(names)
    (tmp_path / "credentials").write_text("[p]\naws_access_key_id=AKIAX\naws_secret_access_key=form-canary-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "p")
    assert keys_note(names) == "✔ found in the AWS profile p"
    assert keys_note({"access_key_id_env": "not a name"}) == ""


class _Sample(BaseModel):
    kind: Literal["a", "b"] = "b"
    only: Literal["x"] = "x"
    on: bool = False
    wait_s: int = Field(default=3, description="Help with <b>.")
    keep_days: int = 2
    rate: float = 0.5
    bare: float | None = None


def test_a_form_of_any_model() -> None:
    """Labels with units, help that is escaped, constants left out; an annotation without a control is refused."""
    kept: list[_Sample] = []
    made = Form(_Sample, _Sample, kept.append, include=("kind", "only", "on", "wait_s", "keep_days", "rate"))
    assert made.rows() == [("Kind", "b"), ("On", "no"), ("Wait (seconds)", "3"), ("Keep (days)", "2"), ("Rate", "0.5")]
    assert made.controls["keep_days"]._input.description == "Keep (days)"
    assert "Help with &lt;b&gt;." in beside(made.controls["wait_s"])
    fill(made.controls["on"], True)
    fill(made.controls["kind"], "a")
    assert kept[-1] == _Sample(kind="a", on=True)
    with pytest.raises(TypeError, match="no control for bare"):
        Form(_Sample, _Sample, kept.append)
