"""Verifying 100,000 entries, beside reading the same rows and hashing each body.

    .venv/bin/python benchmarks/verify.py

The ledger is written by `Ledger.append`, one signed commit an entry, with a checkpoint after each ten as in a walk:
that takes most of the time. All ways read in turn, in each round; the ratio is taken within a round.
"""

import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from opslib.audit.verify import verify
from opslib.ledger.database import connect
from opslib.ledger.export import write_export
from opslib.ledger.ledger import Ledger
from opslib.ledger.samples import Sample

ENTRIES, ROUNDS = 100_000, 5


def write(home: Path) -> Path:
    ledger = Ledger(home)
    run = ledger.start_run("benchmark")
    sample = Sample(
        operation="upsert_storage_target", step="apply", method="PUT", endpoint="/api/v2/recording/storage/targets/t-1",
        attempt=1, status=200, outcome="success", latency_s=0.0123, started_at="2026-11-23T08:00:00.000Z",
        correlation_id="0b5c7a4e-2f0d-4a5b-9a57-0d8a4f1f2c3d",
    )  # fmt: skip
    for number in range(2, ENTRIES + 1):
        run.append("sample", sample.model_dump() | {"attempt": number})
        if number % 10 == 0:
            ledger.checkpoint()
    ledger.close()
    return ledger.path


def read_and_hash(path: Path) -> None:
    with closing(connect(path, "mode=ro")) as db:
        for *_, body, _ in db.execute("SELECT seq, run_id, kind, at, body, hash FROM entries ORDER BY seq"):
            hashlib.sha256(body.encode()).digest()


def parse_and_hash(path: Path) -> None:
    with path.open("rb") as lines:
        for line in lines:
            hashlib.sha256(json.loads(line).get("body", "").encode()).digest()


def check(path: Path) -> None:
    found = verify(path)
    assert found.intact, found
    assert found.entries == ENTRIES


def seconds(work: Callable[[Path], None], path: Path) -> float:
    start = time.perf_counter()
    work(path)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OPSLIB_SIGNING_KEY"] = folder + "/signing_key.pem"
        path, export = write(Path(folder) / "home"), Path(folder) / "ledger.jsonl"
        write_export(path, export)
        for file, bare in ((path, read_and_hash), (export, parse_and_hash)):
            rounds = [(seconds(bare, file), seconds(check, file)) for _ in range(ROUNDS)]
            ratio = statistics.median(verified / read for read, verified in rounds)
            print(f"{file.name}: {ENTRIES:,} entries, {ENTRIES // 10:,} checkpoints, {ROUNDS} rounds")
            read_s, verify_s = (statistics.median(times) for times in zip(*rounds, strict=True))
            print(f"  {bare.__name__.replace('_', ' '):14} {read_s:6.2f} s")
            print(f"  opslib verify  {verify_s:6.2f} s   {ratio:5.2f} × reading and hashing")


if __name__ == "__main__":
    main()
