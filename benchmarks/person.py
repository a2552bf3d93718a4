"""What it takes a person from `make lab` to “done” on the last card of notebook 01: seconds, clicks and scrolls.

    .venv/bin/python benchmarks/person.py [TREE]

TREE is a checkout, by default this one; an older one is walked in the same way. For each backend `opslib lab` is
started as `make lab` does, in a workspace of its own. The person follows the link in notebook 00, chooses Run All
Cells, reads the cards and presses what is next. How long somebody thinks is not the notebook's doing: it is the same
before each click, and is shown apart.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import async_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.browser.conftest import CHROMIUMS, FLAGS
from tests.browser.lab import Lab, LabServer, ready
from tests.browser.page import Guard
from tests.browser.person import Person
from tests.browser.walk import NOTEBOOK
from tests.children import started

THINKS_S = 1.0
BACKENDS = ("storage-targets", "platform")
MENU = 2  # clicks: Run, and Run All Cells in it


@contextmanager
def lab_of(tree: Path, backend: str, folder: Path) -> Iterator[LabServer]:
    """`opslib lab`, on the first notebook, with no settings or account of the user's."""
    token, runtime, log = secrets.token_hex(), folder / "runtime", folder / "server.log"
    own = {
        "PYTHONPATH": str(tree),
        "OPSLIB_HOME": str(folder / "opslib"),
        "OPSLIB_BACKEND": backend,
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_TOKEN": token,
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPSLIB_", "AWS_", "JUPYTER"))}
    with log.open("w") as output:
        command = [sys.executable, "-m", "opslib.cli", "lab", "--no-browser"]
        process = started(command, cwd=tree, env=kept | own, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield LabServer(ready(process, runtime, log), token, tree / "notebooks", folder / "settings", log)
    finally:
        process.terminate()
        process.wait(60)


async def onboard(tree: Path, backend: str) -> dict[str, float]:
    """What was counted, in words, and how much it was."""
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)))
    seconds = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--no-sandbox"])
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, lab_of(tree, backend, Path(folder)) as server:
            lab = Lab(server, await Guard.start(browser), server.root)
            person = Person(lab, THINKS_S)
            await lab.open("00_start_here.ipynb")
            seconds["until notebook 00 is there, s"] = time.perf_counter() - start
            await person.click(lab.notebook.get_by_role("link", name="01 · Onboard").first)
            lab.path = NOTEBOOK
            await lab.wait_idle()
            await lab.run_all()
            seconds["until notebook 01 has run, s"] = time.perf_counter() - start
            await person.walk()
            seconds["until the last card says “done”, s"] = time.perf_counter() - start
            await browser.close()
    return seconds | {
        "of these, thinking, s": person.thought_s,
        "clicks": person.clicks + MENU,
        "scrolls": person.scrolls,
    }


def main() -> None:
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve()
    counted = [asyncio.run(onboard(tree, backend)) for backend in BACKENDS]
    print(f"{'what':36}", *(f"{backend:>16}" for backend in BACKENDS))
    for what in counted[0]:
        print(f"{what:36}", *(f"{one[what]:16.0f}" for one in counted))


if __name__ == "__main__":
    main()
