"""How long a user waits before anything happens: importing opslib, a notebook's first cell, the sandbox.

    .venv/bin/python benchmarks/startup.py

Each row is measured beside what it replaces, in one run: importing every library at the top, as notebooks usually do.
Times are medians in milliseconds; the ratio is what matters on a shared machine.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jupytext
from jupyter_client.manager import start_new_async_kernel

from opslib.sandbox.launch import start_sandbox

ROUNDS = 7
ALL_LIBRARIES = "import ipywidgets, pandas, matplotlib.pyplot, boto3, httpx, pydantic, structlog"
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks" / ".source").glob("[0-9]*.py"))


def first_cell(source: Path) -> str:
    """As it stands in the notebook."""
    cells = jupytext.read(source, fmt="py:percent").cells
    return str(next(cell.source for cell in cells if cell.cell_type == "code"))


def process_ms(code: str) -> float:
    """A new interpreter that runs the code, less one that runs nothing."""

    def once(text: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", text], check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - start) * 1000

    return once(code) - once("pass")


def imports_ms(code: str) -> float:
    """The import alone, measured inside the interpreter."""
    timed = f"import time; s = time.perf_counter()\n{code}\nprint((time.perf_counter() - s) * 1000)"
    return float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True).stdout)


def first_cell_ms(code: str) -> float:
    """A cell in a fresh kernel, from sending it to its reply."""

    async def run() -> float:
        manager, client = await start_new_async_kernel(extra_arguments=["--log-level=ERROR"])
        try:
            await client.wait_for_ready(timeout=60)
            start = time.perf_counter()
            reply = await client.execute(code, reply=True, timeout=60)
            assert reply["content"]["status"] == "ok", reply["content"]
            return (time.perf_counter() - start) * 1000
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    return asyncio.run(run())


def sandbox_ms(_: str) -> float:
    """From starting the process to its ready line."""
    start = time.perf_counter()
    with start_sandbox():
        return (time.perf_counter() - start) * 1000


def median(measure: Callable[[str], float], code: str) -> float:
    measure(code)  # the first one fills caches
    return statistics.median(measure(code) for _ in range(ROUNDS))


def main() -> None:
    print(f"{'what':44} {'ms':>8} {'beside':>8} {'ratio':>6}")
    rows: list[tuple[str, Callable[[str], float], str, str | None]] = [
        ("import opslib (target: 50 ms)", imports_ms, "import opslib", ALL_LIBRARIES),
        *(
            (f"the first cell of {source.stem[:2]} (target: 500 ms)", first_cell_ms, first_cell(source), ALL_LIBRARIES)
            for source in NOTEBOOKS
        ),
        ("opslib --version, whole process", process_ms, "from opslib.cli.app import main; main(['--version'])", None),
        ("opslib --help, whole process", process_ms, "from opslib.cli.app import main; main(['--help'])", None),
        ("sandbox, until it is ready (target: 3,000 ms)", sandbox_ms, "", None),
    ]
    for label, measure, code, replaced_code in rows:
        ms = median(measure, code)
        beside_ms = median(measure, replaced_code) if replaced_code else None
        comparison = f"{beside_ms:8.0f} {ms / beside_ms:6.2f}" if beside_ms else f"{'':8} {'':6}"
        print(f"{label:44} {ms:8.0f} {comparison}")


if __name__ == "__main__":
    main()
