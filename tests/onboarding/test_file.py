import re
from pathlib import Path

import pytest
import yaml

from opslib.errors import InvalidInput
from opslib.onboarding.file import load_onboarding, parse_onboarding

GOOD = """\
version: 1
backend: storage-targets            # or platform
target: {id: a1b2c3d4-e5f6-7890-abcd-ef1234567890, name: ProdVoiceArchive, bucket: genesys-cloud-recordings-prod,
         region: us-east-1, path_prefix: recordings/voice, encryption: AES256, retention_days: 365,
         credentials: {access_key_id_env: AWS_ACCESS_KEY_ID, secret_access_key_env: AWS_SECRET_ACCESS_KEY}}
policy: {id: b2c3d4e5-f6a7-8901-bcde-f12345678901, name: ComplianceVoicePolicy,
         recording_types: [voice], retention_days: 365}
webhook:
  id: c3d4e5f6-a7b8-9012-cdef-123456789012
  name: DataLakeCatalogSync
  url: https://datalake.example.com/ingest
  events: [routing.recording.storage.updated, routing.recording.policy.updated]
  authentication: {type: none}
profile: baseline
"""


def _load(tmp_path: Path, text: str) -> object:
    file = tmp_path / "target.yaml"
    file.write_text(text)
    return load_onboarding(file)


def test_the_design_s_example_loads(tmp_path: Path) -> None:
    """The file of the documentation is accepted as it stands."""
    onboarding = _load(tmp_path, GOOD)
    assert onboarding.target.retention_days == 365  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("retention_days: 365,\n", "retention_days: -1,\n", "line 4, target.retention_days"),
        ("region: us-east-1", "region: us-est-1", "line 4, target.region"),
        ("profile: baseline", "profil: baseline", "line 14, profil"),
        ("  url: https://datalake", "  url: http://datalake", "line 11, webhook.url"),
        ("recording_types: [voice], retention_days: 365", "recording_types: [voice], retention_days: 400", "400 days"),
        ("access_key_id_env: AWS_ACCESS_KEY_ID", "access_key_id: AKIA", "line 5, target.credentials"),
        ("  name: DataLakeCatalogSync", "  name: a\n  name: b", "stands there twice"),
        ("id: a1b2c3d4-e5f6-7890-abcd-ef1234567890", "id: &x a, x: *x", "aliases"),
        ("version: 1", "version: 2", "line 1, version"),
        ("version: 1", "version: [1", "while parsing"),
        ("version: 1", "version: !!python/object/apply:os.system [ls]", "constructor"),
    ],
)
def test_errors_name_line_and_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    """Whoever wrote the file finds the place at once."""
    assert old in GOOD
    with pytest.raises(InvalidInput) as caught:
        _load(tmp_path, GOOD.replace(old, new, 1))
    assert says in caught.value.cause
    assert "target.yaml" in caught.value.title


@pytest.mark.parametrize(
    ("credentials", "named"),
    [
        ({"role_arn": "a role", "external_id": "org"}, {"role_arn"}),
        ({"external_id": "org"}, {"role_arn"}),
        ({"access_key": "x"}, {"access_key"}),
        ({"access_key_id_env": "OPSLIB_CLIENT_SECRET"}, {"access_key_id_env"}),
    ],
)
def test_only_the_way_of_access_that_is_meant_is_corrected(credentials: dict[str, str], named: set[str]) -> None:
    """A role has other fields than a key: what is wrong with the other way is nobody's concern."""
    values = yaml.safe_load(GOOD)
    values["target"]["credentials"] = credentials
    with pytest.raises(InvalidInput) as caught:
        parse_onboarding(yaml.safe_dump(values), "given.yaml")
    assert set(re.findall(r"target\.credentials\.(\w+)", caught.value.cause)) == named


@pytest.mark.parametrize("text", ["", "[]", "just words", "x" * 70_000, "\x00"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    """Neither an empty file, nor a list, nor a huge or binary file is an onboarding."""
    with pytest.raises(InvalidInput):
        _load(tmp_path, text)
    with pytest.raises(InvalidInput, match="No such file"):
        load_onboarding(tmp_path / "absent.yaml")


@pytest.mark.parametrize("nested", ["[" * 10_000, "- " * 5_000, "{a: " * 5_000, "[" * 5_000 + "]" * 5_000])
def test_deep_nesting_is_refused(tmp_path: Path, nested: str) -> None:
    """In words, not when Python runs out of stack."""
    with pytest.raises(InvalidInput, match="more than 20 levels of nesting"):
        _load(tmp_path, nested)
