from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from opslib.credentials import AwsKeys, KeyReference, RoleReference, usual_keys
from opslib.errors import AwsCredentialsInvalid, InvalidInput
from opslib.onboarding.models import Consent, DataLakeWebhook, Onboarding, StorageTarget
from opslib.onboarding.values import Id, checked, checked_value

from ..aws_profiles import REFUSED, SIGN_ON, use_profile
from ..world import Sandbox

TARGET: dict[str, Any] = {
    "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "name": "ProdVoiceArchive",
    "bucket": "genesys-cloud-recordings-prod",
    "region": "us-east-1",
    "retention_days": 365,
}
ONBOARDING: dict[str, Any] = {
    "target": TARGET,
    "policy": {"id": "p-1", "name": "ComplianceVoicePolicy", "retention_days": 365},
    "webhook": {"id": "w-1", "url": "https://datalake.example.com/ingest"},
}


def _reject(model: Any, **values: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        checked(model, **values)
    assert "nothing was sent" in caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("consent", "covered"),
    [
        (Consent(), set()),
        (Consent(confirm="Other", reason="because"), set()),
        (Consent(confirm="prodvoicearchive", reason="because"), set()),
        (Consent(confirm="ProdVoiceArchive"), set()),
        (Consent(confirm="ProdVoiceArchive", reason=" "), set()),
        (Consent(confirm="ProdVoiceArchive", reason="because"), {"delete", "failed-validation"}),
        (Consent(allow=("delete",), reason="because"), {"delete"}),
        (Consent(allow=("delete", "failed-validation")), set()),
        (Consent(allow=("failed-validation",), reason="because"), {"failed-validation"}),
    ],
)
def test_consent_is_the_target_s_own_name_or_that_of_what_is_unsafe(consent: Consent, covered: set[str]) -> None:
    """Any other name agrees to nothing, and without a reason nothing is agreed to."""
    assert {name for name in ("delete", "failed-validation") if consent.covers(name, "ProdVoiceArchive")} == covered


def test_a_consent_ends() -> None:
    """On the day that was named, or 90 days after it was given."""
    assert Consent().last_day(date(2026, 11, 24)) == date(2027, 2, 22)
    assert Consent(until=date(2027, 5, 31)).last_day(date(2026, 11, 24)) == date(2027, 5, 31)


@pytest.mark.parametrize("bad", ["../policies/1", "a/b", "x" * 300, "", " ", "a b", "é", "a\n", "-a", "a..b", "%2e"])
def test_hostile_ids_are_refused(bad: str) -> None:
    """An id cannot leave its place in a URL."""
    assert "id" in _reject(StorageTarget, **TARGET | {"id": bad}).cause


@given(st.text(max_size=140))
def test_accepted_ids_need_no_quoting(text: str) -> None:
    """Whatever is accepted as an id is the same after URL quoting."""
    from urllib.parse import quote

    try:
        accepted = checked_value(Id, text, "id")
    except InvalidInput:
        return
    assert quote(accepted, safe="") == accepted


@pytest.mark.parametrize(
    "bad",
    [
        "javascript:alert(1)",
        "http://datalake.example.com/ingest",
        "https://user:secret@datalake.example.com",
        "https://datalake.example.com/#part",
        "https://datalake.example.com/in?sig=models-canary-query",
        "https://datalake.example.com/in?",
        "ftp://datalake.example.com",
        "//datalake.example.com",
        "https://",
        "https://data lake.example.com",
        "https://[bad",
        "https://h/\r\nX-Header: 1",
        "https://datalake.example.com/" + "x" * 2048,
    ],
)
def test_hostile_webhook_urls_are_refused(bad: str) -> None:
    """Only https without credentials; the address itself is not repeated in the error."""
    error = _reject(DataLakeWebhook, id="w", url=bad)
    assert "url" in error.cause
    assert "models-canary" not in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("good", ["https://datalake.example.com/ingest", "http://127.0.0.1:9/in", "http://localhost:1"])
def test_usable_webhook_urls(good: str) -> None:
    """https anywhere, http on loopback."""
    assert DataLakeWebhook(id="w", url=good).url == good


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("retention_days", -1),
        ("retention_days", 0),
        ("retention_days", 40_000),
        ("retention_days", "365"),
        ("retention_days", 1.5),
        ("retention_days", True),
        ("bucket", "Upper"),
        ("bucket", "ab"),
        ("bucket", "192.168.1.1"),
        ("bucket", "a..b"),
        ("bucket", "a/b"),
        ("region", "us-east-9"),
        ("encryption", "DES"),
        ("path_prefix", "../up"),
        ("name", "  "),
        ("name", "a\x00b"),
        ("surprise", 1),
        ("credentials", {"role_arn": "arn:aws:iam::123456789012:role/r"}),
        ("credentials", {"access_key_id": "AKIA", "secret_access_key": "in-clear"}),
        ("credentials", {"role_arn": "arn:aws:s3:::bucket", "external_id": "x1"}),
    ],
)
def test_bad_target_values_are_refused(field: str, bad: object) -> None:
    """Each wrong field is named."""
    assert field in _reject(StorageTarget, **TARGET | {field: bad}).cause


def test_policy_above_target_is_refused() -> None:
    """The rule across two objects: the target would remove what the policy must keep."""
    error = _reject(Onboarding, **ONBOARDING | {"policy": ONBOARDING["policy"] | {"retention_days": 366}})
    assert "366 days" in error.cause
    assert "365 days" in error.cause


def test_desired_state_is_frozen_and_complete() -> None:
    """The design's example is accepted, and cannot be changed afterwards."""
    onboarding = Onboarding.model_validate(ONBOARDING)
    assert isinstance(onboarding.target.credentials, KeyReference)
    with pytest.raises(ValidationError):
        onboarding.target.name = "other"  # type: ignore[misc]
    role = {"role_arn": "arn:aws:iam::123456789012:role/genesys/Writer", "external_id": "org-1"}
    assert isinstance(StorageTarget.model_validate(TARGET | {"credentials": role}).credentials, RoleReference)


def test_keys_are_found_in_dotenv_and_in_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment counts before .env, .env before the profile; temporary keys are none that Genesys could use."""
    monkeypatch.chdir(tmp_path)
    profiles = "[long]\naws_access_key_id=AKIAPROFILE\naws_secret_access_key=models-canary-profile\n"
    short = "[short]\naws_access_key_id=ASIA\naws_secret_access_key=s\naws_session_token=t\n"
    (tmp_path / "credentials").write_text(profiles + short)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    keys, source = KeyReference().find({"AWS_PROFILE": "long"})
    assert (keys.access_key_id, source) == ("AKIAPROFILE", "the AWS profile long")
    for profile in ("short", "none-such"):
        with pytest.raises(AwsCredentialsInvalid):
            KeyReference().find({"AWS_PROFILE": profile})
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID=AKIADOTENV\nAWS_SECRET_ACCESS_KEY=models-canary-dotenv\n")
    assert KeyReference().find({"AWS_PROFILE": "long"})[1] == ".env"
    given = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "models-canary-env"}
    assert KeyReference().find(given)[1] == "the environment"


@pytest.mark.parametrize(
    ("profile", "why"), [(SIGN_ON, "SSOTokenLoadError"), (REFUSED, "AssumeRole")], ids=["not signed in", "refused"]
)
def test_a_profile_that_gives_nothing_is_named(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, why: str
) -> None:
    """With what to do; its keys are asked for late, and may be asked of SSO or STS."""
    monkeypatch.chdir(tmp_path)
    use_profile(profile, sandbox, tmp_path, monkeypatch)
    with pytest.raises(AwsCredentialsInvalid, match="The AWS profile corp gives no credentials") as caught:
        KeyReference().find()
    assert why in caught.value.cause
    assert "aws sso login --profile corp" in caught.value.fix
    assert usual_keys() is None


def test_key_reference_names_the_missing_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References are resolved late, and an unset variable is named."""
    monkeypatch.chdir(tmp_path)
    environ = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}
    with pytest.raises(AwsCredentialsInvalid, match="AWS_SECRET_ACCESS_KEY"):
        KeyReference().resolve(environ)
    keys = KeyReference().resolve(environ | {"AWS_SECRET_ACCESS_KEY": "models-canary-9"})
    assert keys == AwsKeys(access_key_id="AKIAEXAMPLE", secret_access_key=SecretStr("models-canary-9"))
    assert "models-canary-9" not in repr(keys)


ORG_ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    "bad", ["acme", ORG_ID[:-1], ORG_ID.replace("-", ""), f"{{{ORG_ID}}}", f"{ORG_ID} ", "g" + ORG_ID[1:]]
)
def test_an_org_id_is_a_guid(bad: str) -> None:
    """A short name is in no token, so it could not be compared."""
    assert "org_id: an organisation's id is a GUID" in _reject(Onboarding, **ONBOARDING, org_id=bad).cause


def test_an_org_id_is_kept_in_any_case_and_only_where_it_is_given() -> None:
    """A file without one is the same as before there was this field."""
    assert Onboarding(**ONBOARDING, org_id=ORG_ID.upper()).values()["org_id"] == ORG_ID
    assert "org_id" not in Onboarding(**ONBOARDING).values()
