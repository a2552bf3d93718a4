"""`opslib doctor`, `changes` and `check-feed` as processes: what an org answers, and whose work is in it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opslib.ledger.ledger import Ledger

from ..forks import opslib
from ..world import (
    POLICIES,
    RETENTION_POLICIES,
    Api,
    Json,
    Sandbox,
    environment,
    policy,
    running,
    without_settings,
    write_onboarding,
)

NOWHERE = "http://127.0.0.1:9"
SHORTER = ("--allow", "shorter-retention", "--reason", "a test")
REMOVAL = ("--allow", "delete", "--reason", "a test")


@pytest.fixture
def shared() -> Iterator[Sandbox]:
    """A sandbox for each test: an org's audit keeps what was done before."""
    with running("--seed", "7") as sandbox:
        yield sandbox


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def env(sandbox: Sandbox, home: Path) -> dict[str, str]:
    sandbox.control("PUT", "/settings", {"stage_s": 0.0})
    return without_settings() | environment(sandbox, home)


def attempts(home: Path) -> list[str]:
    return [sample.data["outcome"] for sample in Ledger(home).entries("sample")]


@pytest.mark.parametrize(
    ("missing", "outcomes"),
    [
        (["OPSLIB_API_URL", "OPSLIB_LOGIN_URL"], ["connection_error"]),
        (["OPSLIB_API_URL"], ["success", "connection_error"]),
        (["OPSLIB_LOGIN_URL"], ["connection_error"]),
    ],
)
@pytest.mark.parametrize("words", [["doctor"], ["doctor", "--assumptions"]], ids=" ".join)
def test_an_org_that_does_not_answer_is_one_error(
    env: dict[str, str], home: Path, missing: list[str], outcomes: list[str], words: list[str]
) -> None:
    """Each host is asked once, and nothing is asked after that: exit code 1, with --json one document."""
    away = env | dict.fromkeys(missing, NOWHERE)
    text = opslib(away, *words)
    assert (text.returncode, text.stdout) == (1, "")
    assert text.stderr.startswith(f"No answer from {NOWHERE}\n  Cause: ")
    assert attempts(home) == outcomes
    document = opslib(away, *words, "--json")
    assert (document.returncode, document.stderr) == (1, "")
    assert json.loads(document.stdout)["error"] == "ConnectionFailed"


def test_a_gateway_with_no_org_behind_it_is_one_error(env: dict[str, str], home: Path, sandbox: Sandbox) -> None:
    """It answers 503: nobody is behind it. A refusal is an answer, and the doctor goes on."""
    sandbox.control("POST", "/faults", {"path_regex": "/api/", "status": 503})
    refused = opslib(env, "doctor", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, 503)
    assert attempts(home) == ["success", "server_error"]
    sandbox.control("DELETE", "/faults")
    sandbox.control("POST", "/faults", {"path_regex": "/tokens/me$", "status": 403})
    assert json.loads(opslib(env, "doctor", "--json").stdout)["backends"]


@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
def test_permissions_that_cannot_be_known_beforehand_are_one_line(
    env: dict[str, str], sandbox: Sandbox, backend: str
) -> None:
    """It names all of them, and the reason once; each is still in the JSON's permissions."""
    sandbox.control("POST", "/faults", {"path_regex": "/subjects/me$", "status": 404})
    env = env | {"OPSLIB_BACKEND": backend}
    found: Json = json.loads(opslib(env, "doctor", "--json").stdout)
    unknown = [one["name"] for one in found["permissions"] if one["state"] == "not known"]
    assert len(unknown) > 1
    lines = [line for line in opslib(env, "doctor").stdout.splitlines() if line.startswith("UNKNOWN  May ")]
    assert len(lines) == 1
    assert [name for name in unknown if name not in lines[0]] == []


def test_check_feed_says_what_a_sandbox_lacks(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """It asks AWS nothing, and is no PASS; what it prints for a live org is there all the same."""
    file = tmp_path / "p.yaml"
    assert opslib(env, "init", file, "--backend", "platform").returncode == 0
    sandbox.control("DELETE", "/requests")
    said = opslib(env, "check-feed", file)
    assert said.returncode == 1
    assert said.stdout.startswith("not checked Genesys's events reach the data lake through AWS: the sandbox has no")
    assert sandbox.requests("aws") == [] == sandbox.requests("s3")
    (link,) = json.loads(opslib(env, "check-feed", file, "--json").stdout)["links"]
    assert link["word"] == "not_checked"
    assert "aws_cloudwatch_event" in opslib(env, "check-feed", file, "--print", "terraform").stdout


def changed(env: dict[str, str]) -> Json:
    done = opslib(env, "changes", "--json")
    assert done.returncode == 0, done.stdout
    found: Json = json.loads(done.stdout)
    return found


def kept_days(file: Path, days: int) -> None:
    file.write_text(file.read_text().replace("retention_days: 365", f"retention_days: {days}"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
def test_our_own_work_is_nobody_else_s(
    env: dict[str, str], sandbox: Sandbox, api: Api, tmp_path: Path, backend: str
) -> None:
    """A creation, a change, a walk with its event, a rollback and a removal are not reported; their runs are named.
    What somebody else does in between is."""
    env = env | {"OPSLIB_BACKEND": backend}
    file = tmp_path / "o.yaml"
    assert opslib(env, "init", file).returncode == 0
    assert changed(env)["changes"] == []

    def not_reported(*words: str, code: int = 0) -> Json:
        ended = opslib(env, *words)
        assert ended.returncode == code, ended.stderr
        found = changed(env)
        assert found["changes"] == [], words
        return found

    made = not_reported("apply", str(file), "--yes")
    runs = {run["id"] for run in json.loads(opslib(env, "where", "--json").stdout)["runs"]}
    assert set(made["own_runs"]) & runs
    assert bool(made["own"]) == (backend == "platform")
    assert {one["run"] for one in made["own"]} <= runs
    not_reported("onboard", str(file), "--yes")
    kept_days(file, 300)
    not_reported("apply", str(file), "--yes", *SHORTER)
    kept_days(file, 200)
    file.write_text(file.read_text().replace("retention_days: 300", "retention_days: 200"))
    path = "webhooks" if backend == "storage-targets" else "mediaretention"
    file.write_text(file.read_text().replace("DataLakeCatalogSync", "Renamed"))
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": path, "status": 403, "times": 1})
    not_reported("apply", str(file), "--yes", *SHORTER, code=1)
    sandbox.control("DELETE", "/faults")
    _BY_HAND[backend](sandbox, api)
    theirs = changed(env)
    assert {one["action"] for one in theirs["changes"]} == {"Update"}
    assert theirs["own"] == []
    not_reported("offboard", str(file), "--yes", *REMOVAL)


def _policy_off(sandbox: Sandbox, api: Api) -> None:
    (one,) = api("GET", POLICIES).json()["entities"]
    kept = {name: one[name] for name in policy()}
    assert api("PUT", f"{POLICIES}/{one['id']}", kept | {"enabled": False}).is_success


def test_changes_are_in_people_s_words(env: dict[str, str], sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """With --paths, also as the API calls them."""
    assert opslib(env, "apply", write_onboarding(tmp_path / "t.yaml", sandbox), "--yes").returncode == 0
    changed(env)
    _policy_off(sandbox, api)
    assert "    switched on: yes → no\n        enabled\n" in opslib(env, "changes", "--paths").stdout


def _retention_policy_off(sandbox: Sandbox, api: Api) -> None:
    """By another client: one of our own name is taken for us, if a run of ours is writing just then."""
    other = sandbox.api(sandbox.control("POST", "/clients", {"scopes": ["recording:retentionPolicy:edit"]}).json())
    (one,) = api("GET", RETENTION_POLICIES).json()["entities"]
    assert other("PATCH", one["selfUri"], {"enabled": False}).is_success


_BY_HAND: dict[str, Callable[[Sandbox, Api], None]] = {
    "storage-targets": _policy_off,
    "platform": _retention_policy_off,
}


@pytest.mark.slow
def test_what_others_did_before_we_wrote_over_it_is_reported(
    env: dict[str, str], sandbox: Sandbox, api: Api, tmp_path: Path
) -> None:
    """Between two looks somebody switches the policy off, and our apply switches it on: the comparison shows nothing
    any more, and the ledger knows what the apply found."""
    file = write_onboarding(tmp_path / "t.yaml", sandbox)
    assert opslib(env, "apply", file, "--yes").returncode == 0
    changed(env)
    _policy_off(sandbox, api)
    assert opslib(env, "apply", file, "--yes").returncode == 0
    (theirs,) = changed(env)["changes"]
    assert theirs["fields"] == [{"path": "enabled", "before": True, "after": False}]
