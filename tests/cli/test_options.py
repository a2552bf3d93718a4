"""Options that several commands take: what cannot be meant is refused before anything is sent."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opslib.onboarding.models import EXCEPTION_DAYS
from opslib.router.unsafe_changes import UNSAFE

from ..forks import opslib
from ..world import Api, Sandbox, environment, without_settings, write_onboarding

CONSENTING = ("apply", "offboard", "onboard", "resume")


def said(command: str, *words: str) -> str:
    """What a usage error says; nothing is configured, so nothing could be sent."""
    file = [] if command == "resume" else ["target.yaml"]
    ended = opslib(without_settings(), command, *file, *words)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Usage error")
    return ended.stderr


@pytest.mark.parametrize("command", CONSENTING)
def test_a_day_that_is_over_ends_no_exception(command: str) -> None:
    """It would be refused later, as if nothing had been agreed to."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert f"{yesterday} is in the past" in said(
        command, "--allow", "delete", "--reason", "a test", "--until", yesterday
    )


@pytest.mark.parametrize(
    "words",
    [
        ("undo", "--yes", "--run", ""),
        ("undo", "--yes", "--checksum", " "),
        ("apply", "x.yaml", "--yes", "--checksum", ""),
        ("audit", "--out", "out", "--run", ""),
        ("audit", "--out", "out", "--compare", ""),
        ("verify", "out", "--key", ""),
        ("verify", "out", "--anchor", ""),
    ],
    ids=" ".join,
)
def test_an_option_that_is_empty_is_refused(words: tuple[str, ...]) -> None:
    """As an unset variable leaves it. It would undo nothing and apply the example, or leave out a check."""
    ended = opslib(without_settings(), *words)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "it is empty" in ended.stderr


@pytest.mark.parametrize("command", ["approve", *CONSENTING])
def test_a_reason_that_is_not_text_is_refused(command: str) -> None:
    """No ledger and no approval can hold it."""
    assert "it is not UTF-8" in said(command, "--reason", "agreed \udcff")


@pytest.mark.parametrize("command", CONSENTING)
def test_a_name_that_allows_nothing_is_refused(command: str) -> None:
    """With the names that there are."""
    refused = said(command, "--allow", "everything", "--reason", "a test")
    assert [name for name in UNSAFE if f"'{name}'" not in refused] == []


@pytest.mark.parametrize("command", CONSENTING)
def test_the_help_has_the_names_and_the_days(command: str, tmp_path: Path) -> None:
    """So that nobody has to look for them."""
    text = "".join(opslib(without_settings(), command, "--help").stdout.split())
    assert [name for name in UNSAFE if name not in text] == []
    assert f"bydefault{EXCEPTION_DAYS}daysfromnow" in text


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["paln", "x"], "'plan'"),
        (["archive", "verfy"], "'verify'"),
        (["plan", "x", "--jsn"], "'--json'"),
        (["apply", "x", "--allow", "shorter-retenton", "--reason", "r"], "'shorter-retention'"),
        (["check-bucket", "b", "--profile", "sec-17a4"], "'sec-17a-4'"),
        (["check-bucket", "b", "--print", "terafom"], "'terraform'"),
        (["check-bucket", "b", "--encryption", "AES265"], "'AES256'"),
        (["check-bucket", "bucket-of-ours", "--region", "us-eas-1"], "'us-east-1'"),
        (["check-feed", "x", "--print", "awscli"], "'aws-cli'"),
        (["sandbox", "--backend", "platfrom"], "'platform'"),
        (["sandbox", "--integration-shape", "with-prefx"], "'with-prefix'"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
@pytest.mark.parametrize("as_json", [False, True])
def test_an_unknown_name_is_refused_with_the_one_that_is_meant(words: list[str], meant: str, as_json: bool) -> None:
    """Of commands, options and what they take."""
    ended = opslib(without_settings(), *words, *(["--json"] if as_json else []))
    assert ended.returncode == 1
    cause = json.loads(ended.stdout)["cause"] if as_json else ended.stderr
    assert f"Did you mean {meant}?" in cause


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("bucket:", "bukcet:", "'bucket'"),
        ("profile: baseline", "profil: baseline", "'profile'"),
        ("encryption: AES256", "encryption: AES265", "'AES256'"),
        ("region: us-east-1", "region: us-east-11", "'us-east-1'"),
        ("secret_access_key_env:", "secret_acces_key_env:", "'secret_access_key_env'"),
        ("backend: storage-targets", "backend: storage-target", "'storage-targets'"),
        ("routing.recording.policy.updated]", "routing.recording.polcy.updated]", "'routing.recording.policy.updated'"),
    ],
)
def test_a_mistyped_word_in_a_file_is_refused_with_the_one_that_is_meant(
    tmp_path: Path, old: str, new: str, meant: str
) -> None:
    """With its line; nothing is configured, so nothing could be sent."""
    file = tmp_path / "o.yaml"
    assert opslib(without_settings(), "init", file).returncode == 0
    file.write_text(file.read_text().replace(old, new, 1))
    refused = opslib(without_settings(), "plan", file)
    assert (refused.returncode, "line " in refused.stderr) == (1, True)
    assert f"Did you mean {meant}?" in refused.stderr


def test_an_unknown_profile_check_target_or_run_is_named_too(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """What an org or a ledger has is not in any help; the error says what is there."""
    env = without_settings() | environment(sandbox, tmp_path / "home")
    own = tmp_path / "own.yaml"
    about = "name: own\ntitle: T\nas_of: 2026-01-01\nnote: n\nretention: {source: s}\n"
    own.write_text(f"{about}checks: {{tls-onyl: {{level: WARN, source: s}}}}\n")
    assert "Did you mean 'tls-only'?" in opslib(env, "check-bucket", sandbox["bucket"], "--profile", own).stderr
    file = write_onboarding(tmp_path / "t.yaml", sandbox)
    mistyped = tmp_path / "mistyped.yaml"
    mistyped.write_text(file.read_text() + "profile: basline\n")
    assert "Did you mean 'baseline'?" in opslib(env, "plan", mistyped).stderr
    assert opslib(env, "apply", file, "--yes").returncode == 0
    assert "Did you mean 't-1'?" in opslib(env, "export", "t-11").stderr
    runs = json.loads(opslib(env, "where", "--json").stdout)["runs"]
    run = next(run["id"] for run in runs if run["command"] == "walk")
    assert f"Did you mean '{run}'?" in opslib(env, "audit", "--run", run[:-1], "--out", tmp_path / "out").stderr


@pytest.mark.parametrize(
    ("words", "help"),
    [
        (["plan"], "opslib plan"),
        (["plan", "--what"], "opslib plan"),
        (["archive", "verify"], "opslib archive verify"),
        (["doctor", "--out", "x"], "opslib doctor"),
        (["onboard", "--planted"], "opslib onboard"),
        (["onboard", "--recordings", "3"], "opslib onboard"),
        (["sandbox", "--planted"], "opslib sandbox"),
        (["nothing"], "opslib"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_usage_error_points_to_the_command_s_own_help(words: list[str], help: str) -> None:
    refused = opslib(without_settings(), *words)
    assert refused.returncode == 1
    assert f"Fix: Try '{help} --help'" in refused.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("BACKEND", "platfrom", "Did you mean 'platform'?"), ("LOG_LEVEL", "wanring", "Did you mean 'warning'?"),
     ("REGION", "eu-centrl-1", "Cause: unknown region")],
)  # fmt: skip
def test_a_mistyped_setting_is_refused_with_the_one_that_is_meant(name: str, value: str, words: str) -> None:
    assert words in opslib(without_settings() | {f"OPSLIB_{name}": value}, "where").stderr


def test_what_is_missing_or_is_not_a_time_is_a_usage_error() -> None:
    """With the way to write it; nothing is configured, so nothing could be sent."""
    for command, words in (
        (["onboard", "--yes"], "Missing argument 'FILE'"),
        (["changes", "--since", "yesterday"], "write it as 2026-11-01 or 2026-11-01T13:30:00"),
        (["changes", "--since", "2999-01-01"], "in the future"),
        (["check-bucket", "bucket-of-ours", "--external-id", "x"], "--role-arn and --external-id go together"),
    ):
        ended = opslib(without_settings(), *command)
        assert (ended.returncode, words in ended.stderr) == (1, True), ended.stderr
        assert f"Try 'opslib {command[0]} --help'" in ended.stderr
    role = ["--role-arn", "arn:aws:iam::123456789012:role/r", "--external-id", "x"]
    assert (
        "The role reference is not valid" in opslib(without_settings(), "check-bucket", "bucket-of-ours", *role).stderr
    )
    assert "bad is not a public key" in opslib(without_settings(), "verify", "x", "--key", "bad").stderr
