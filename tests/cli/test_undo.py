"""`opslib undo`, as a user runs it: exit codes, what is said, and what is sent."""

import json
import signal
from pathlib import Path

from ..forks import opslib, started
from ..world import WEBHOOKS, Api, Sandbox, eventually
from .test_transaction import REMOVE, _state, _writes


def test_undo(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """Where nobody is asked, it shows the plan only (2); without consent it is refused (1); done, and then nothing is
    left to undo (0); the undo's own run applies again."""
    empty = _state(api)
    assert opslib(env, "undo").returncode == 1
    assert opslib(env, "apply", file, "--yes").returncode == 0
    applied, writes = _state(api), _writes(sandbox)
    shown = opslib(env, "undo")
    assert (shown.returncode, _state(api), _writes(sandbox)) == (2, applied, writes)
    assert [line for line in shown.stdout.splitlines() if line.startswith("-")] == [
        "- delete webhook DataLakeCatalogSync (w-1)",
        "- delete policy P (p-1)",
        "- delete target T (t-1)",
    ]
    assert "! delete: " in shown.stdout
    assert "add --yes to apply it" in shown.stderr
    refused = opslib(env, "undo", "--yes")
    assert (refused.returncode, _state(api), _writes(sandbox)) == (1, applied, writes)
    assert "--allow delete" in refused.stderr
    done = opslib(env, "undo", *REMOVE, "--json")
    plan = json.loads(done.stdout)
    assert (done.returncode, plan["applied"], _state(api)) == (0, True, empty)
    again = opslib(env, "undo", *REMOVE)
    assert (again.returncode, _state(api)) == (0, empty)
    assert again.stdout.startswith("Nothing to undo.")
    redo = again.stdout.split("opslib undo --run ")[1].split()[0]
    assert plan["undoes"]["run_id"] in again.stdout
    assert opslib(env, "undo", "--run", redo, "--yes").returncode == 0
    assert _state(api) == applied
    assert opslib(env, "undo", "--run", "another").returncode == 1


def test_an_undo_that_was_killed_is_resumed(env: dict[str, str], file: Path, api: Api, sandbox: Sandbox) -> None:
    """The ledger says that it is an undo, and what is left of it."""
    empty = _state(api)
    assert opslib(env, "apply", file, "--yes").returncode == 0
    sandbox.control("POST", "/faults", {"method": "DELETE", "path_regex": "policies", "delay_s": 30, "times": 1})
    sandbox.control("DELETE", "/requests")
    with started(env, "undo", *REMOVE) as process:
        eventually(lambda: _writes(sandbox) == 2)
        assert process.pid
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    sandbox.control("DELETE", "/faults")
    assert api("GET", f"{WEBHOOKS}/w-1").status_code == 404
    busy = opslib(env, "undo", *REMOVE)
    assert busy.returncode == 1
    assert "opslib rollback" in busy.stderr
    assert opslib(env, "resume").returncode == 0
    assert _state(api) == empty
    assert opslib(env, "undo").stdout.startswith("Nothing to undo.")
