"""What a fleet of many onboardings takes, on a sandbox: time, memory, requests, and how long the event loop is held up.

    .venv/bin/python benchmarks/fleet.py [--onboardings 2000] [--at-once 8] [--kill-after 0.5]

A process plans and applies all of them, and is killed with SIGKILL once that part of their objects is written. A second
process goes on. Then: every object is there, each was written once, apart from the few that were under way, and the
ledger verifies. The memory is each process's own peak (VmHWM); the lag is how much later than planned a ticker of 5 ms
was called. The machine runs the sandbox, too.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
from opslib.audit.verify import verify
from opslib.sandbox.launch import Sandbox, start_sandbox

TICK_S = 0.005


def write_files(folder: Path, facts: dict[str, Any], count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.yaml").write_text(f"""\
version: 1
target: {{id: t-{number}, name: T{number}, bucket: {facts["bucket"]}, region: us-east-1, retention_days: 365}}
policy: {{id: p-{number}, name: P{number}, retention_days: 365}}
webhook: {{id: w-{number}, url: "{facts["datalake_url"]}"}}
""")


async def work(folder: Path, at_once: int) -> dict[str, Any]:
    """In the process that is measured: plan and apply, with a ticker beside it."""
    from opslib.walk.fleet import Fleet

    lags: list[float] = []

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_S)
            lags.append(time.perf_counter() - before - TICK_S)

    ticker = asyncio.create_task(tick())
    async with Fleet(folder, at_once=at_once, in_all=max(32, at_once)) as fleet:
        began_s = time.perf_counter()
        await fleet.recover()
        recovered_s = time.perf_counter()
        plan = await fleet.make_plan()
        planned_s = time.perf_counter()
        result = await fleet.apply(plan)
        applied_s = time.perf_counter()
    ticker.cancel()
    lags.sort()
    return {
        "recover_s": round(recovered_s - began_s, 1),
        "plan_s": round(planned_s - recovered_s, 1),
        "apply_s": round(applied_s - planned_s, 1),
        "outcomes": result.outcomes,
        "attempts": result.attempts,
        "lag_max_ms": round(1000 * lags[-1], 1),
        "lag_p99_ms": round(1000 * lags[int(len(lags) * 0.99)], 1),
        "peak_mb": peak_mb(),
    }


def peak_mb(pid: str = "self") -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def written(sandbox: Sandbox) -> Counter[str]:
    """How often each object was written."""
    asked = httpx.get(f"{sandbox.info['control_url']}/requests?service=api", trust_env=False, timeout=120).json()
    return Counter(one["path"] for one in asked if one["method"] == "PUT")


def run(folder: Path, options: argparse.Namespace, sandbox: Sandbox, *, kill_at: int = 0) -> dict[str, Any]:
    """One process, killed once so many objects are done in its ledger."""
    command = [sys.executable, __file__, "--work", str(folder), "--at-once", str(options.at_once)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0
    while kill_at and process.poll() is None:
        time.sleep(0.2)
        peak = max(peak, peak_mb(str(process.pid)))
        if done_in(Path(os.environ["OPSLIB_HOME"])) >= kill_at:
            process.kill()
            process.wait()
            return {"killed_after_objects": done_in(Path(os.environ["OPSLIB_HOME"])), "peak_mb": peak}
    out, _ = process.communicate()
    return dict(json.loads(out.splitlines()[-1]))


def done_in(home: Path) -> int:
    import sqlite3
    from contextlib import closing

    file = home / "ledger.sqlite3"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM entries WHERE kind = 'change.done'").fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onboardings", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--kill-after", type=float, default=0.5)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(asyncio.run(work(options.work, options.at_once))))
        return
    count = options.onboardings
    with tempfile.TemporaryDirectory() as temporary:
        with start_sandbox(options=["--rate-limit", "10000000"]) as sandbox:
            home = Path(temporary) / "home"
            own = {"OPSLIB_HOME": str(home), "OPSLIB_SIGNING_KEY": str(Path(temporary) / "keys" / "key.pem")}
            os.environ.update(sandbox.environment() | own)
            folder = Path(temporary) / "files"
            write_files(folder, sandbox.info, count)
            kill_at = int(3 * count * options.kill_after)
            if kill_at:
                print("killed: ", run(folder, options, sandbox, kill_at=kill_at))
            print("resumed:", run(folder, options, sandbox))
            print("again:  ", run(folder, options, sandbox))
            writes = written(sandbox)
        began_s = time.perf_counter()
        verified = verify(home)
        size_mb = sum(file.stat().st_size for file in home.iterdir()) // 2**20
        print(f"objects: {len(writes)} of {3 * count}, {sum(n - 1 for n in writes.values())} written twice")
        took_s = time.perf_counter() - began_s
        print(f"ledger:  {verified.state}, {verified.entries} entries, {size_mb} MB, verified in {took_s:.1f} s")


if __name__ == "__main__":
    main()
