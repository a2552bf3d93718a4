"""Peak memory of `opslib audit` for ledgers of 10,000 and of 100,000 entries.

    .venv/bin/python benchmarks/report.py

The recorded example is written once more, entry by entry, and its last walk gets calls until the ledger has the wanted
length; one in forty fails, so that both reports list as many errors as they may. Each audit runs as a process of its
own, and the kernel says how much memory it held at most.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opslib.audit.report import RECORDED
from opslib.ledger.chain import Entry
from opslib.ledger.database import reading, record
from opslib.ledger.ledger import Ledger

SIZES = (10_000, 100_000)

# Prints the peak in kB, as Linux counts.
AUDIT = """
import resource
from opslib.cli.app import main
main(["audit", "--out", "out", "--json"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write(home: Path, size: int) -> None:
    ledger = Ledger(home)
    with reading(RECORDED) as db:
        for entry in map(Entry._make, record(db).entries):
            last = ledger.append(entry.run_id, entry.kind, entry.data)
    for number in range(last.seq + 1, size + 1, 2):
        failed = number % 80 == 1
        sample = {
            "operation": f"read_{('target', 'policy', 'webhook')[number % 3]}", "step": "apply", "method": "GET",
            "endpoint": "/api/v2/recording/storage/targets/t-1", "attempt": 1, "status": 500 if failed else 200,
            "outcome": "server_error" if failed else "success", "latency_s": 0.001 + number % 9973 / 10_000,
            "started_at": "2026-11-23T08:00:00.000Z", "correlation_id": f"0b5c7a4e-2f0d-4a5b-9a57-{number:012}",
        }  # fmt: skip
        ended = {"outcome": "failure" if failed else "success", "error": "ServerError" if failed else None}
        ledger.append(last.run_id, "sample", sample)
        last = ledger.append(last.run_id, "operation", {k: sample[k] for k in ("operation", "step")} | ended)
    ledger.checkpoint()
    ledger.close()
    assert last.seq in (size, size + 1), last.seq


def audit(folder: Path) -> tuple[float, float]:
    """Peak in MB, and seconds."""
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", AUDIT], cwd=folder, check=True, capture_output=True, text=True)
    return int(run.stdout.split()[-1]) / 1000, time.perf_counter() - start


def main() -> None:
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["OPSLIB_SIGNING_KEY"] = name + "/signing_key.pem"
        for size in SIZES:
            folder = Path(name) / str(size)
            os.environ["OPSLIB_HOME"] = str(folder / "home")
            write(folder / "home", size)
            peak, seconds = audit(folder)
            peaks.append(peak)
            written = sum(file.stat().st_size for file in (folder / "out").iterdir()) / 1e6
            print(f"{size:>9,} entries: {peak:6.1f} MB at most, {seconds:5.1f} s, {written:5.1f} MB written")
    print(f"ten times the entries take {peaks[1] / peaks[0]:.2f} × the memory")


if __name__ == "__main__":
    main()
