"""Time and peak memory of `opslib audit --all` over 14 and over 2,000 targets.

    .venv/bin/python benchmarks/portfolio.py [TARGETS …]

The last walk of the recorded example is written once for each target, with an org, a target and a bucket of its own.
Each portfolio is made by a process of its own, and the kernel says how much memory it held at most. It is checked that
`opslib verify` finds it intact.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from opslib.audit.report import RECORDED
from opslib.ledger.chain import Entry
from opslib.ledger.database import reading, record
from opslib.ledger.ledger import Ledger
from opslib.router.plan import checksum_of

SIZES = (14, 2_000)

# Prints the peak in kB, as Linux counts.
AUDIT = """
import resource
from opslib.cli.app import main
main(["audit", "--all", "--out", "out", "--json"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def recorded() -> list[Entry]:
    """The last walk of the example."""
    with reading(RECORDED) as db:
        entries = [Entry._make(row) for row in record(db).entries]
    return [entry for entry in entries if entry.run_id == entries[-1].run_id]


def write(home: Path, targets: int) -> int:
    """Returns how many entries the ledger has."""
    ledger, walk = Ledger(home), recorded()
    given = next(entry.data["given"] for entry in walk if entry.kind == "step.started")
    onboarding = given["onboarding"]
    told = {
        "org": given["org"]["org_id"],
        "target": onboarding["target"]["id"],
        "policy": onboarding["policy"]["id"],
        "webhook": onboarding["webhook"]["id"],
        "bucket": onboarding["target"]["bucket"],
    }
    for number in range(targets):
        own = {told[name]: f"{number:08x}-{told[name][9:]}" for name in ("org", "target", "policy", "webhook")}
        own |= {told["bucket"]: f"recordings-{number:05}", '"ProdVoiceArchive"': f'"Target {number:05}"'}
        _write_walk(ledger, walk, f"run-{number:05}", own)
    last = ledger.checkpoint().seq
    ledger.close()
    return last


def _write_walk(ledger: Ledger, walk: list[Entry], run_id: str, own: dict[str, str]) -> None:
    """Entries name others by number, and a plan by its checksum: these are written as they are now."""
    numbers, checksums = dict[int, int](), dict[str, str]()
    for entry in walk:
        body = entry.body
        for was, is_now in [*own.items(), *checksums.items()]:
            body = body.replace(was, is_now)
        data: dict[str, Any] = json.loads(body)
        for name in ("actor", "apply"):
            if name in data and int(data[name]) in numbers:
                data[name] = type(data[name])(numbers[int(data[name])])
        if entry.kind == "operation":
            data["entries"] = [numbers[seq] for seq in data["entries"]]
        if entry.kind == "plan.made":
            checksums[checksum_of(entry.data["plan"])] = checksum_of(data["plan"])
        numbers[entry.seq] = ledger.append(run_id, entry.kind, data).seq


def audit(folder: Path) -> tuple[float, float]:
    """Peak in MB, and seconds."""
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", AUDIT], cwd=folder, check=True, capture_output=True, text=True)
    return int(run.stdout.split()[-1]) / 1000, time.perf_counter() - start


def verify(folder: Path) -> float:
    """Seconds. Raises CalledProcessError where something is wrong."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "opslib.cli", "verify", "out"], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["OPSLIB_SIGNING_KEY"] = name + "/signing_key.pem"
        for size in [int(word) for word in sys.argv[1:]] or SIZES:
            folder = Path(name) / str(size)
            os.environ["OPSLIB_HOME"] = str(folder / "home")
            entries = write(folder / "home", size)
            peak, seconds = audit(folder)
            found = json.loads((folder / "out" / "portfolio.json").read_text())
            assert [row["error"] for row in found["targets"]] == [""] * size
            pages = sum(file.stat().st_size for file in (folder / "out").rglob("*") if file.is_file()) / 1e6
            print(
                f"{size:>6,} targets, {entries:>7,} entries: {seconds:7.1f} s, {1000 * seconds / size:5.0f} ms each,"
                f" {peak:6.1f} MB at most, {pages:6.1f} MB written, verified in {verify(folder):.1f} s"
            )


if __name__ == "__main__":
    main()
