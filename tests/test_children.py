import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from .world import eventually

TESTS = Path(__file__).parent


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if sys.platform == "linux" else True


def test_no_process_is_left_behind_by_a_run_that_is_killed() -> None:
    """A server that a test starts, and a sandbox, end with the run that started them, though it is killed."""
    code = (
        "import sys, time; from tests.children import started; from tests.world import running\n"
        "server = started([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "with running() as sandbox: print(server.pid, sandbox.process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=TESTS.parent, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pids = [int(word) for word in run.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        run.send_signal(signal.SIGKILL)
    for pid in pids:
        eventually(lambda pid=pid: not alive(pid))


def test_every_test_starts_its_processes_so() -> None:
    """`subprocess.run` waits for what it starts; `Popen` is for `started` and for what ends by itself when killed."""
    by_itself = {"children.py", "test_children.py", "test_lint.py"}
    starting = {file.name for file in TESTS.rglob("*.py") if re.search(r"subprocess\.Popen\(", file.read_text())}
    assert starting <= by_itself
