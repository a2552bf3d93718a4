"""`opslib fleet` as a process: its JSON, its exit codes, a kill in the middle, and Ctrl-C."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib.audit.verify import verify
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger
from opslib.router.journal import INTENT

from ..children import started
from ..forks import opslib
from ..walk.fleets import folder_of, onboarding, there, write, writes
from ..world import Api, Sandbox, eventually


@pytest.fixture
def folder(sandbox: Sandbox, tmp_path: Path) -> Path:
    return folder_of(sandbox, tmp_path / "files", 4)


def ended(said: Any) -> dict[str, str]:
    return {target["file"]: target["outcome"] for target in json.loads(said.stdout)["targets"]}


def begun(home: Path) -> int:
    """How many changes the ledger knows to be begun."""
    return len([*Ledger(home).entries(INTENT)]) if (home / FILE_NAME).exists() else 0


def test_the_json_and_the_exit_codes_are_as_promised(
    env: dict[str, str], sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    """Without --yes it plans only: 2. With --yes: 0 done, 1 rolled back, 3 half-done."""
    planned = opslib(env, "fleet", folder, "--json")
    assert (planned.returncode, json.loads(planned.stdout)["changed"], writes(sandbox)) == (2, 4, [])
    checksum = json.loads(planned.stdout)["checksum"]
    done = opslib(env, "fleet", folder, "--yes", "--checksum", checksum, "--json")
    said = json.loads(done.stdout)
    assert said.keys() == {"targets", "done", "failed", "attempts", "rate_limited", "elapsed_s"}
    assert said["targets"][0] == {"file": "f1.yaml", "outcome": "done", "error": None}
    assert (done.returncode, said["done"], said["failed"], said["rate_limited"]) == (0, 4, 0, 0)
    more = write(folder, *(onboarding(sandbox, number) for number in range(1, 7)))
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies/p-[56]", "status": 400, "times": 99})
    rolled_back = opslib(env, "fleet", more, "--yes")
    assert rolled_back.returncode == 1
    assert "2 failed and rolled back: f5.yaml, f6.yaml" in rolled_back.stdout
    sandbox.control("POST", "/faults", {"method": "DELETE", "path_regex": "targets/t-6", "status": 403, "times": 99})
    half_done = opslib(env, "fleet", more, "--yes", "--json")
    assert (half_done.returncode, ended(half_done)["f6.yaml"]) == (3, "half_done")


@pytest.mark.slow
def test_a_fleet_that_was_killed_is_finished_by_the_next_call(
    env: dict[str, str], sandbox: Sandbox, api: Api, folder: Path, tmp_path: Path
) -> None:
    """Nothing twice: no object that was done is written again. Nothing lost: all are there, and the ledger verifies."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies/p-3", "delay_s": 60})
    command = [sys.executable, "-m", "opslib.cli", "fleet", str(folder), "--yes", "--at-once", "1"]
    process = started(command, env=env | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")})
    # The third policy is the eighth change that is begun: what is before it is done.
    eventually(lambda: begun(tmp_path / "home") == 8, 120)
    process.kill()
    process.wait()
    sandbox.control("DELETE", "/faults")
    sandbox.control("DELETE", "/requests")
    refused = opslib(env, "fleet", folder)
    assert (refused.returncode, "left unfinished" in refused.stdout) == (1, True)
    said = opslib(env, "fleet", folder, "--yes", "--json")
    assert said.returncode == 0, said.stdout
    assert ended(said) == {"f1.yaml": "unchanged", "f2.yaml": "unchanged", "f3.yaml": "done", "f4.yaml": "done"}
    assert all(all(there(api, number)) for number in range(1, 5))
    assert not any(path[-1] in "12" for path in writes(sandbox))
    assert not any(path.endswith("t-3") for path in writes(sandbox))
    assert verify(tmp_path / "home").intact


@pytest.mark.slow
def test_ctrl_c_finishes_what_is_at_work(env: dict[str, str], sandbox: Sandbox, folder: Path) -> None:
    """The rest is not started, and nothing is half-done: exit code 1."""
    sandbox.control("POST", "/faults", {"method": "PUT", "path_regex": "policies/p-1", "delay_s": 2})
    command = [sys.executable, "-m", "opslib.cli", "fleet", str(folder), "--yes", "--json", "--at-once", "1"]
    process = started(
        command, env=env | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}, stdout=-1, text=True,
        restore_signals=True,
    )  # fmt: skip
    eventually(lambda: len(writes(sandbox)) >= 1, 120)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    outcomes = [target["outcome"] for target in json.loads(out)["targets"]]
    assert (process.returncode, outcomes) == (1, ["done", "not_started", "not_started", "not_started"])


def test_drift_is_the_plan_of_a_fleet(env: dict[str, str], sandbox: Sandbox, folder: Path) -> None:
    """Its lines and its JSON are those of before; a file that cannot be read is an error among the others."""
    (folder / "f5.yaml").write_text("nonsense: true")
    said = opslib(env, "drift", folder)
    assert said.returncode == 1
    assert said.stdout.splitlines()[0] == "drifted  f1.yaml: create target, create policy, create webhook"
    assert said.stdout.splitlines()[4].startswith("error    f5.yaml: ")
    files = json.loads(opslib(env, "drift", folder, "--json").stdout)["files"]
    assert [report["drifted"] for report in files] == [True] * 4 + [None]
    assert files[0]["changes"][0]["fields"]
    assert writes(sandbox) == []
