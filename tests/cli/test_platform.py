"""The command line on the platform API, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from opslib.onboarding.file import load_onboarding

from ..forks import opslib
from ..rewriting import first_queue_only, rewriting
from ..world import INTEGRATIONS, Api, Sandbox, environment, eventually, without_settings


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
    assert opslib(env, "offboard", file, "--yes", "--allow", "delete").returncode == 0
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
    file, env = example(env, tmp_path / "p.yaml"), env | {"OPSLIB_ORG_ID": "acme"}
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
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
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
