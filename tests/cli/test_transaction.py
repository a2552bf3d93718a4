"""Plan, apply and what goes wrong, as a user runs them: processes, exit codes, the org's state."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib.cli.app import main
from opslib.ledger.ledger import Ledger
from opslib.walk.state_machine import Result
from opslib.walk.walk import Walk

from ..children import started
from ..forks import opslib as _opslib
from ..world import (
    POLICIES,
    TARGETS,
    WEBHOOKS,
    Api,
    Sandbox,
    eventually,
)

REMOVE = ("--yes", "--allow", "delete", "--reason", "a test")
PATHS = (f"{TARGETS}/t-1", f"{POLICIES}/p-1", f"{WEBHOOKS}/w-1")
Run = "subprocess.CompletedProcess[str]"


def _state(api: Api) -> list[Any]:
    """What the org has, without what the server changes at each write."""
    answers = [api("GET", path) for path in PATHS]
    owned = ("version", "dateModified", "dateCreated")
    return [
        {key: value for key, value in answer.json().items() if key not in owned} if answer.is_success else None
        for answer in answers
    ]


def _writes(sandbox: Sandbox) -> int:
    return sum(request["method"] in ("PUT", "DELETE") for request in sandbox.requests())


@pytest.mark.slow
def test_plan_apply_and_a_second_apply(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """Exit 2 with changes and nothing written, 0 when applied, 0 without a write when there is nothing to do."""
    planned = _opslib(env, "plan", file, "--json")
    plan = json.loads(planned.stdout)
    assert (planned.returncode, _writes(sandbox)) == (2, 0)
    assert [(change["action"], change["kind"], change["id"]) for change in plan["changes"]] == [
        ("create", "target", "t-1"),
        ("create", "policy", "p-1"),
        ("create", "webhook", "w-1"),
    ]
    assert all(set(field) == {"path", "before", "after"} for change in plan["changes"] for field in change["fields"])
    assert _opslib(env, "apply", file, "--yes", "--checksum", "0" * 64).returncode == 1
    assert _state(api) == [None, None, None]
    assert _opslib(env, "apply", file, "--yes", "--checksum", plan["checksum"]).returncode == 0
    assert None not in _state(api)
    writes = _writes(sandbox)
    again = _opslib(env, "apply", file, "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["changes"], _writes(sandbox)) == (0, [], writes)
    assert _opslib(env, "plan", file).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("removal", [False, True], ids=["apply", "offboard"])
def test_what_another_process_did_is_not_said_to_be_ours(
    env: dict[str, str],
    file: Path,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    removal: bool,
) -> None:
    """Between our plan and our apply it brings the org to just what we want: exit code 0, and `applied` is false."""
    words = ["offboard", str(file), *REMOVE] if removal else ["apply", str(file), "--yes"]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    run, writes = Walk.run, list[int]()

    async def second(walk: Walk, name: str) -> Result:
        if name == "apply":
            other = await asyncio.to_thread(_opslib, env | {"OPSLIB_HOME": str(tmp_path / "other")}, *words, "--json")
            assert json.loads(other.stdout)["applied"] is True
            writes.append(_writes(sandbox))
        return await run(walk, name)

    for json_too in ([], ["--json"]):
        before = ["apply", str(file), "--yes"] if removal else ["offboard", str(file), *REMOVE]
        assert _opslib(env, *before).returncode == 0
        with monkeypatch.context() as patch:
            patch.setattr(Walk, "run", second)
            main([*words, *json_too])
        said = capsys.readouterr().out
        assert _writes(sandbox) == writes[-1]
        if json_too:
            assert json.loads(said)["applied"] is False
            assert len(json.loads(said)["changes"]) == 3
        else:
            assert "nothing was written" in said
            assert "applied and read back" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("retention_days: 365", "retention_days: 30", "shorter-retention"),
        ("name: T,", "name: T, enabled: false,", "disable"),
        ("region: us-east-1", "region: eu-west-1", "region-change"),
        ("bucket: BUCKET", "bucket: another-bucket-of-ours", "bucket-change"),
        ("name: T,", "name: T, credentials: {role_arn: ROLE, external_id: ORG},", "credential-change"),
    ],
)
def test_unsafe_changes_need_consent_by_name(
    env: dict[str, str], file: Path, api: Api, sandbox: Sandbox, old: str, new: str, name: str
) -> None:
    """Refused untouched, also without a reason; with both done, and the consent stands in the ledger."""
    assert _opslib(env, "apply", file, "--yes").returncode == 0
    before = _state(api)
    for placeholder, name_of in (("BUCKET", "bucket"), ("ROLE", "role_arn"), ("ORG", "external_id")):
        old, new = old.replace(placeholder, sandbox[name_of]), new.replace(placeholder, sandbox[name_of])
    file.write_text(file.read_text().replace(old, new))
    assert f"! {name}:" in _opslib(env, "plan", file).stdout
    refused = _opslib(env, "apply", file, "--yes")
    assert refused.returncode == 1
    assert f"--allow {name}" in refused.stderr
    assert _state(api) == before
    without_reason = _opslib(env, "apply", file, "--yes", "--allow", name)
    assert (without_reason.returncode, _state(api)) == (1, before)
    allowed = ["--allow", name, "--reason", "it is made tonight"]
    if name in ("region-change", "bucket-change"):  # there is no such bucket
        assert "failed-validation" in _opslib(env, "apply", file, "--yes", *allowed).stderr
        assert _state(api) == before
        allowed += ["--allow", "failed-validation"]
    assert _opslib(env, "apply", file, "--yes", *allowed).returncode == 0
    assert _state(api) != before
    assert _opslib(env, "plan", file).returncode == 0


@pytest.mark.slow
def test_a_failed_validation_needs_a_reason(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """The validator runs before the first write; its failure refuses unless consent with a reason is given."""
    file.write_text(file.read_text().replace(sandbox["bucket"], "no-such-bucket-anywhere"))
    for consent in ([], ["--allow", "failed-validation"]):
        refused = _opslib(env, "apply", file, "--yes", *consent)
        assert refused.returncode == 1
        assert "failed-validation" in refused.stderr
        assert "There is no bucket no-such-bucket-anywhere" in refused.stderr
    assert _state(api) == [None, None, None]
    with_reason = ["--allow", "failed-validation", "--reason", "the bucket is made tomorrow"]
    assert _opslib(env, "apply", file, "--yes", *with_reason).returncode == 0


@pytest.mark.slow
def test_a_failure_rolls_back_and_exits_1(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """The webhook is refused: target and policy are gone again."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "webhooks", "status": 403})
    failed = _opslib(env, "apply", file, "--yes", "--json")
    answer = json.loads(failed.stdout)
    assert (failed.returncode, answer["error"], answer["status"]) == (1, "RolledBack", 403)
    assert _state(api) == [None, None, None]
    sandbox.control("DELETE", "/faults")
    assert _opslib(env, "apply", file, "--yes").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["resume", "rollback"])
def test_kill_9_in_the_middle(
    env: dict[str, str], file: Path, api: Api, sandbox: Sandbox, tmp_path: Path, recovery: str
) -> None:
    """Killed while the policy's PUT is under way: planning is refused, then resume completes or rollback restores.
    What fails is half-done still, with the correlation id that support asks for."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 30})
    command = [sys.executable, "-m", "opslib.cli", "apply", str(file), "--yes"]
    process = started(command, env=env, stdout=subprocess.DEVNULL)
    eventually(lambda: any("policies" in r["path"] and r["method"] == "PUT" for r in sandbox.requests()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.control("DELETE", "/faults")
    refused = _opslib(env, "apply", file, "--yes")
    assert refused.returncode == 1
    assert "opslib resume" in refused.stderr
    sandbox.control("POST", "/faults", {"method": "GET", "path_regex": "targets", "status": 403})
    failed = _opslib(env, recovery, "--json")
    answer = json.loads(failed.stdout)
    assert (failed.returncode, answer["error"], answer["status"]) == (3, "HalfDone", 403)
    asked = {sample.data["correlation_id"] for sample in Ledger(tmp_path / "home").entries("sample")}
    assert answer["correlation_id"] in asked - {None}
    sandbox.control("DELETE", "/faults")
    assert _opslib(env, recovery).returncode == 0
    assert [one is not None for one in _state(api)] == [recovery == "resume"] * 3
    assert _opslib(env, "plan", file).returncode == (0 if recovery == "resume" else 2)


@pytest.mark.slow
def test_the_first_interrupt_finishes_the_change_in_flight(
    env: dict[str, str], file: Path, api: Api, sandbox: Sandbox
) -> None:
    """Exit 3, saying what is done and what is left; resume does the rest."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "targets", "delay_s": 0.7})
    command = [sys.executable, "-m", "opslib.cli", "apply", str(file), "--yes"]
    process = started(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually(lambda: _writes(sandbox) == 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "Done: create target T (t-1). Left to do: create policy P (p-1); create webhook" in said
    assert [one is not None for one in _state(api)] == [True, False, False]
    assert _opslib(env, "resume").returncode == 0
    assert None not in _state(api)


@pytest.mark.slow
def test_the_second_interrupt_cancels(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """The change in flight is cut: exit 3, what is left is said, and rollback restores. Also while resuming."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies", "delay_s": 30})
    for command, writes in (["apply", str(file), "--yes"], 2), (["resume"], 3):
        process = started([sys.executable, "-m", "opslib.cli", *command], env=env, stderr=subprocess.PIPE, text=True)
        eventually(lambda writes=writes: _writes(sandbox) == writes)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Ctrl-C again to cancel it" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 3
        assert "opslib resume" in said
    sandbox.control("DELETE", "/faults")
    assert _opslib(env, "rollback").returncode == 0
    assert _state(api) == [None, None, None]


@pytest.mark.slow
def test_an_interrupt_before_the_first_change_leaves_nothing_half_done(
    env: dict[str, str], file: Path, sandbox: Sandbox
) -> None:
    """It says that nothing was changed, and is no exit code 3; with --json, as one document."""
    sandbox.control("POST", "/faults", {"path_regex": "token", "delay_s": 30})
    for command in ("onboard", "plan"):  # the second does nothing of its own about Ctrl-C
        sandbox.control("DELETE", "/requests")
        yes = ["--yes"] if command == "onboard" else []
        words = [sys.executable, "-m", "opslib.cli", command, str(file), "--json", *yes]
        process = started(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(lambda: any("token" in r["path"] for r in sandbox.requests()))
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=10)
        answer = json.loads(out)
        assert (process.returncode, said.strip(), answer["title"], answer["fix"]) == (
            1,
            "",
            "Interrupted",
            "run it again",
        )
        assert "Ctrl-C" in answer["cause"]
        assert ("no change was under way" in answer["cause"]) == (command == "onboard")


@pytest.mark.slow
def test_onboard_takes_the_same_consent(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """An unsafe plan or an unfit bucket ends the walk; allowed by name, it goes on."""
    file.write_text(file.read_text().replace(sandbox["bucket"], "no-such-bucket-anywhere"))
    refused = _opslib(env, "onboard", file, "--yes")
    assert (refused.returncode, _state(api)) == (1, [None, None, None])
    assert "There is no bucket" in refused.stderr
    allowed = _opslib(env, "onboard", file, "--yes", "--allow", "failed-validation", "--reason", "tonight")
    assert (allowed.returncode, allowed.stderr) == (0, "")
    assert "failed" in allowed.stdout
    assert None not in _state(api)


@pytest.mark.slow
def test_two_operators_at_once(env: dict[str, str], file: Path, sandbox: Sandbox) -> None:
    """The second is refused with who is at work and since when."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "targets", "delay_s": 12})
    command = [sys.executable, "-m", "opslib.cli", "apply", str(file), "--yes"]
    first = started(command, env=env, stdout=subprocess.DEVNULL)
    eventually(lambda: _writes(sandbox) == 1)
    second = _opslib(env, "rollback")
    assert second.returncode in (1, 3)
    assert "it is held by" in second.stderr
    assert "since 20" in second.stderr
    assert first.wait(timeout=30) == 0
    assert _writes(sandbox) == 3


@pytest.mark.slow
def test_export_drift_and_offboard(env: dict[str, str], file: Path, api: Api, tmp_path: Path) -> None:
    """What exists can be adopted: its file plans empty. Drift shows in the exit code. Removal needs --allow delete."""
    assert _opslib(env, "apply", file, "--yes").returncode == 0
    folder = tmp_path / "targets"
    folder.mkdir()
    adopted = folder / "adopted.yaml"
    assert _opslib(env, "export", "t-1", "--webhook", "w-1", "--out", adopted).returncode == 0
    assert _opslib(env, "plan", adopted).returncode == 0
    assert _opslib(env, "drift", folder).returncode == 0
    adopted.write_text(adopted.read_text().replace("name: T\n", "name: Renamed\n"))
    drifted = _opslib(env, "drift", folder, "--json")
    assert (drifted.returncode, json.loads(drifted.stdout)["files"][0]["drifted"]) == (2, True)
    (folder / "broken.yaml").write_text("nonsense: true")
    assert _opslib(env, "drift", folder).returncode == 1
    assert _opslib(env, "offboard", file, "--yes").returncode == 1
    assert _opslib(env, "offboard", file, *REMOVE).returncode == 0
    assert _state(api) == [None, None, None]


@pytest.mark.slow
def test_an_audit_of_a_removal_says_that_nothing_is_routed(env: dict[str, str], file: Path, tmp_path: Path) -> None:
    """What is gone is not ACTIVE, and that it is gone is PASS; the same where it was gone before."""
    assert _opslib(env, "apply", file, "--yes").returncode == 0
    assert _audited(env, tmp_path) == ("ACTIVE", "PASS", "3 changes applied and read back", "")
    for summary, outcome in (
        ("3 removed, and read back as gone", "3 to remove: all gone, as read back"),
        ("Nothing to do: the org is as wanted, so nothing was applied", ""),
    ):
        assert _opslib(env, "offboard", file, *REMOVE).returncode == 0
        assert _audited(env, tmp_path) == ("UNKNOWN", "PASS", summary, outcome)


def _audited(env: dict[str, str], folder: Path) -> tuple[str, str, str, str]:
    """The audit of the last walk: routing_state, what it says of the routing, and how a removal ended."""
    assert _opslib(env, "audit", "--out", folder / "audit").returncode == 0
    report = json.loads((folder / "audit" / "report.json").read_text())
    (routing,) = [one for one in report["controls"] if one["id"] in ("routing", "removal")]
    outcomes = [plan["outcome"] for plan in report["plans"] if "remove" in plan["outcome"]]
    return report["routing_state"], routing["word"], routing["why"], "".join(outcomes)


@pytest.mark.slow
def test_init_writes_a_file_that_loads_and_never_overwrites(env: dict[str, str], tmp_path: Path) -> None:
    """The example is complete, with ids of its own; on a sandbox it is for that, and the walk can go to its end."""
    example = tmp_path / "new.yaml"
    assert _opslib(env, "init", example).returncode == 0
    text = example.read_text()
    assert _opslib(env, "init", example).returncode == 1
    assert example.read_text() == text
    assert _opslib(env, "plan", example).returncode == 2
    assert _opslib(env, "onboard", example, "--yes").returncode == 0


@pytest.mark.slow
def test_no_secret_in_plan_output_or_ledger(env: dict[str, str], file: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    """Neither in text nor JSON, nor in what the ledger keeps; rotating says so without showing it."""
    shown = [_opslib(env, "plan", file), _opslib(env, "plan", file, "--json"), _opslib(env, "apply", file, "--yes")]
    shown.append(_opslib(env, "apply", file, "--yes", "--rotate-credentials"))
    assert "written again" in shown[-1].stdout
    written = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
    for secret in (sandbox["aws_secret_access_key"], sandbox["client_secret"]):
        assert secret.encode() not in written
        assert not any(secret in run.stdout + run.stderr for run in shown)
