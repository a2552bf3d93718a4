"""The command line on the platform API, as a user runs it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from opslib.onboarding.file import load_onboarding

from ..children import started
from ..forks import opslib
from ..rewriting import first_queue_only, rewriting
from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Sandbox, environment, eventually, without_settings


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    sandbox.control("PUT", "/settings", {"backend": "platform", "stage_s": 0.0})
    return without_settings() | environment(sandbox, tmp_path / "home")


def example(env: dict[str, str], file: Path) -> Path:
    """What `init` writes: it names the sandbox's bucket and role."""
    assert opslib(env, "init", "--backend", "platform", file).returncode == 0
    return file


def test_the_example_is_commented_and_valid(env: dict[str, str], tmp_path: Path) -> None:
    """It loads as it is; OPSLIB_BACKEND chooses it, too."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    assert opslib(env, "init", "--backend", "platform", first).returncode == 0
    assert opslib(env | {"OPSLIB_BACKEND": "platform"}, "init", second).returncode == 0
    assert first.read_text() == second.read_text()
    assert load_onboarding(first).backend == "platform"
    assert first.read_text().count("#") > 10


@pytest.mark.slow
def test_plan_apply_export_offboard(env: dict[str, str], sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    """The same commands, exit codes and JSON; what is exported is what is there; then all of it is taken away."""
    file, exported = example(env, tmp_path / "p.yaml"), tmp_path / "exported.yaml"
    planned = opslib(env, "plan", file, "--json")
    plan = json.loads(planned.stdout)
    assert planned.returncode == 2
    assert [(one["action"], one["kind"]) for one in plan["changes"]] == [
        ("create", "target"),
        ("create", "policy"),
        ("create", "webhook"),
    ]
    assert any("retention_days" in note for note in plan["notes"])
    assert opslib(env, "apply", file, "--yes", "--checksum", plan["checksum"]).returncode == 0
    assert opslib(env, "plan", file).returncode == 0
    said = opslib(env | {"OPSLIB_BACKEND": "platform"}, "export", "ProdVoiceArchive", "--out", exported)
    assert (said.returncode, "webhook.url" in said.stderr) == (0, True), said.stderr
    assert opslib(env, "plan", exported).returncode == 0
    drift = opslib(env, "drift", tmp_path)
    assert (drift.returncode, drift.stdout.count("as wanted")) == (0, 2)
    assert opslib(env, "offboard", file, "--yes").returncode == 1
    assert opslib(env, "offboard", file, "--yes", "--allow", "delete", "--reason", "a test").returncode == 0
    assert api("GET", INTEGRATIONS).json()["total"] == 0


@pytest.mark.slow
def test_a_file_for_the_other_backend_is_answered_in_words(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Exit code 1, one JSON document, and the command that writes the right file."""
    file = tmp_path / "s.yaml"
    assert opslib(env, "init", file).returncode == 0
    refused = opslib(env, "plan", file, "--json")
    answer = json.loads(refused.stdout)
    assert (refused.returncode, answer["title"]) == (1, "This org does not serve the storage-targets API")
    assert "it serves the platform API instead" in answer["cause"]
    assert "opslib init --backend platform" in answer["fix"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["aws-cli", "terraform"])
def test_the_event_bus_has_the_id_that_the_org_says(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    """OPSLIB_ORG_ID may be a short name, which is in no bus; where the org is silent, only --org-id helps."""
    env |= {"OPSLIB_ORG_ID": "acme"}
    file = example(env, tmp_path / "p.yaml")
    printed = opslib(env, "check-feed", file, "--print", kind)
    assert printed.returncode == 0
    assert f"aws.partner/genesys.com/cloud/{sandbox['org_id']}/" in printed.stdout
    sandbox.control("POST", "/faults", {"path_regex": "tokens/me", "status": 403})
    refused = opslib(env, "check-feed", file, "--print", kind)
    assert (refused.returncode, refused.stdout, "give --org-id" in refused.stderr) == (1, "", True)
    assert "/cloud/o-1/" in opslib(env, "check-feed", file, "--print", kind, "--org-id", "o-1").stdout


def test_secrets_that_a_role_does_not_have_are_not_rotated(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Said before anything is sent."""
    file = example(env, tmp_path / "p.yaml")
    refused = opslib(env, "apply", file, "--rotate-credentials", "--yes")
    assert refused.returncode == 1
    assert "There is no secret to write again" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["resume", "rollback"])
def test_an_apply_is_recovered_on_its_own_api(
    env: dict[str, str], sandbox: Sandbox, api: Api, tmp_path: Path, recovery: str
) -> None:
    """Whatever the environment names: without OPSLIB_BACKEND, too, an apply of the platform is finished or undone."""
    file = example(env, tmp_path / "p.yaml")
    sandbox.control("POST", "/faults", {"method": "POST", "path_regex": "mediaretention", "delay_s": 30})
    command = [sys.executable, "-m", "opslib.cli", "apply", str(file), "--yes"]
    process = started(command, env=env, stdout=subprocess.DEVNULL)
    eventually(lambda: any("mediaretention" in r["path"] and r["method"] == "POST" for r in sandbox.requests()))
    process.kill()
    process.wait()
    sandbox.control("DELETE", "/faults")
    recovered = opslib(env, recovery)
    assert (recovered.returncode, recovered.stderr) == (0, "")
    assert opslib(env, "plan", file).returncode == (0 if recovery == "resume" else 2)


@pytest.mark.slow
@pytest.mark.parametrize("decision", [["rollback"], ["resume", "--accept"]])
def test_a_server_that_keeps_only_the_first_queue(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, decision: list[str]
) -> None:
    """Case 99: exit 3, the field with what was sent and kept, not somebody else's doing; then either way out."""
    queues = [f"9a1c2b3d-0000-4000-8000-00000000000{number}" for number in (1, 2, 3)]
    file = example(env, tmp_path / "p.yaml")
    file.write_text(file.read_text().replace("directions: [INBOUND]  ", f"queues: [{', '.join(queues)}]  #"))
    with rewriting(sandbox["api_url"], first_queue_only) as url:
        env = env | {"OPSLIB_API_URL": url}
        applied = opslib(env, "apply", file, "--yes")
        assert applied.returncode == 3
        named = f"conditions.forQueues: sent 3 ({', '.join(queues)}), the server kept 1 ({queues[0]})"
        assert named in applied.stderr
        assert "by somebody else" not in applied.stdout + applied.stderr
        assert (ended := opslib(env, *decision)).returncode == 0, ended.stderr
        planned = json.loads(opslib(env, "plan", file, "--json").stdout)["changes"]
    if decision == ["rollback"]:
        assert [change["action"] for change in planned] == ["create"] * 3
        return
    assert "accepted as it is: policy" in ended.stdout
    (change,) = planned
    assert [field["path"] for field in change["fields"]] == ["mediaPolicies.callPolicy.conditions.forQueues"]


def limited(sandbox: Sandbox, days: int) -> None:
    fault = {"method": "GET", "path_regex": "dataretention/settings", "body": {"retentionDays": days}}
    sandbox.control("POST", "/faults", fault)


def test_plan_and_doctor_say_after_how_many_days_recordings_go(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """The org's maximum of 90 days counts, not the policy's 365; the doctor compares where a file is named."""
    file = example(env, tmp_path / "p.yaml")
    limited(sandbox, 90)
    planned = opslib(env, "plan", file)
    assert planned.returncode == 2
    assert (
        "\n⚠ policy.retention_days: 365, but this org deletes recordings after 90 days, so they go after 90 days"
        in (planned.stdout)
    )
    asked = opslib(env | {"OPSLIB_BACKEND": "platform"}, "doctor")
    assert "PASS     Days after which the org deletes every recording: 90 days" in asked.stdout
    asked = opslib(env | {"OPSLIB_BACKEND": "platform", "OPSLIB_ONBOARDING": str(file)}, "doctor")
    assert (
        "WARN     Days after which the org deletes every recording: 90 days; policy.retention_days: 365" in asked.stdout
    )


def test_a_maximum_that_is_not_answered_is_unknown(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """In both, with the reason; the plan is made all the same."""
    file = example(env, tmp_path / "p.yaml")
    sandbox.control("POST", "/faults", {"path_regex": "dataretention/settings", "status": 403})
    planned = json.loads(opslib(env, "plan", file, "--json").stdout)
    assert len(planned["changes"]) == 3
    assert "UNKNOWN: the org's maximum is not known (The OAuth client lacks a permission" in planned["warnings"][0]
    asked = opslib(env | {"OPSLIB_BACKEND": "platform"}, "doctor")
    assert "UNKNOWN  Days after which the org deletes every recording" in asked.stdout


def test_another_policy_that_keeps_longer_is_named(
    env: dict[str, str], sandbox: Sandbox, api: Api, tmp_path: Path
) -> None:
    """Read from the org, with its days; 600 is the most that this org keeps."""
    file = example(env, tmp_path / "p.yaml")
    part = {"actions": {"retentionDuration": {"deleteRetention": {"days": 2555}}}}
    for name, enabled in (("Legal hold", True), ("Old rule", False)):
        body = {"name": name, "enabled": enabled, "mediaPolicies": {"callPolicy": part}}
        assert api("POST", RETENTION_POLICIES, body).is_success
    (warning,) = json.loads(opslib(env, "plan", file, "--json").stdout)["warnings"]
    assert "policy Legal hold may match the same interactions and keeps them 2555 days" in warning
    assert warning.endswith("so those go after 600 days")


def test_a_clock_behind_the_org_s_does_not_lengthen_a_wait(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Ten minutes behind, and told to wait 2 s by a date: the plan is made, and not refused as too long a wait."""
    file = example(env, tmp_path / "p.yaml")
    org_now = datetime.now(UTC) + timedelta(minutes=10)
    dates = {"Date": org_now, "Retry-After": org_now + timedelta(seconds=2)}
    headers = {name: format_datetime(moment, usegmt=True) for name, moment in dates.items()}
    fault = {"path_regex": RETENTION_POLICIES, "status": 429, "times": 1, "headers": headers}
    sandbox.control("POST", "/faults", fault)
    assert opslib(env, "plan", file, "--json").returncode == 2


def test_the_org_s_id_is_written_where_it_is_known(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """By `init` from OPSLIB_ORG_ID, where that is a GUID; a file for another org is refused with both named."""
    known, unknown = example(env, tmp_path / "a.yaml"), example(env | {"OPSLIB_ORG_ID": "acme"}, tmp_path / "b.yaml")
    assert load_onboarding(known).org_id == sandbox["org_id"]
    assert load_onboarding(unknown).org_id == ""
    assert "# org_id: " in unknown.read_text()
    other = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    known.write_text(known.read_text().replace(sandbox["org_id"], other))
    refused = opslib(env, "plan", known, "--json")
    answer = json.loads(refused.stdout)
    assert (refused.returncode, answer["error"]) == (1, "WrongOrg")
    assert other in answer["cause"]
    assert sandbox["org_id"] in answer["cause"]


def test_assumptions(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    """Judged by GET only; the file says nothing of whose org it is, and is not written over."""
    sandbox.control("DELETE", "/requests")
    file = tmp_path / "out" / "a.json"
    asked = opslib(env, "doctor", "--assumptions", "--out", file, "--json")
    answer = json.loads(asked.stdout)
    assert (asked.returncode, answer["file"]) == (0, str(file)), asked.stderr
    assert {request["method"] for request in sandbox.requests("api")} == {"GET"}
    assert {tuple(row) for row in answer["assumptions"]} == {("id", "statement", "holds", "evidence", "rests_on")}
    assert {row["holds"] for row in answer["assumptions"]} == {"yes", "not_known"}
    written = file.read_text()
    assert [row["id"] for row in json.loads(written)["assumptions"]] == [row["id"] for row in answer["assumptions"]]
    for name in ("org_id", "client_id", "client_secret", "bucket", "role_arn", "api_url"):
        assert sandbox[name] not in written
    assert opslib(env, "doctor", "--assumptions", "--out", file).returncode == 1


def test_an_assumption_that_does_not_hold_fails_the_command(env: dict[str, str], sandbox: Sandbox) -> None:
    """It comes first, with what rests on it; the org's own words are not in the file, which is in the workspace."""
    body = {"status": 403, "message": "Jane Doe of Acme may not"}
    sandbox.control("POST", "/faults", {"path_regex": "dataretention", "status": 403, "body": body})
    sandbox.control("POST", "/faults", {"path_regex": "jobs/availability", "status": 404})
    asked = opslib(env, "doctor", "--assumptions")
    assert asked.returncode == 1
    # The answers of a fault have no headers of a rate limit, so that does not hold either.
    assert asked.stdout.startswith("Does not hold (2)\n  analytics-availability")
    assert "  rate-limit-headers " in asked.stdout.partition("Not known")[0]
    assert "rests on it: what is expected in the bucket" in asked.stdout.partition("Not known")[0]
    assert "Jane Doe" in asked.stdout
    file = Path(asked.stdout.rpartition("written: ")[2].strip())
    assert file.parent == Path(env["OPSLIB_HOME"])
    assert "Jane Doe" not in file.read_text()


def test_without_a_connection_nothing_is_known(env: dict[str, str], sandbox: Sandbox) -> None:
    """Neither without a token nor where the API never answers; and --out alone is a mistake."""
    nowhere = env | {"OPSLIB_LOGIN_URL": "http://127.0.0.1:9", "OPSLIB_API_URL": "http://127.0.0.1:9"}
    refused = opslib(nowhere | {"OPSLIB_DEADLINE_S": "2"}, "doctor", "--assumptions", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["cause"]
    mute = opslib(env | {"OPSLIB_API_URL": "http://127.0.0.1:9", "OPSLIB_DEADLINE_S": "2"}, "doctor", "--assumptions")
    assert mute.returncode == 1
    assert opslib(env, "doctor", "--out", "x.json").returncode == 1
