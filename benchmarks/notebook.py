"""Notebook 01 in a real JupyterLab, beside how it was: its first cell, a click's answer, and its widgets.

    .venv/bin/python benchmarks/notebook.py [COMMIT]

COMMIT, by default the one before the notebook got its present look, is checked out beside this tree; both are measured
in the same run, on a sandbox each. What a whole walk takes a person is in person.py.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from opslib.sandbox.launch import start_sandbox

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.browser.conftest import CHROMIUMS, FLAGS
from tests.browser.lab import Lab, LabServer
from tests.browser.page import Guard
from tests.browser.person import Person
from tests.browser.walk import NOTEBOOK, card

BEFORE = "d0447a3"
ROUNDS = 10
# All that the manager of the notebook's widgets holds.
WIDGETS = "import ipywidgets.widgets.widget as _w; open('widgets', 'w').write(str(len(_w._instances)))"
# From the click until the card says "running", and that it has ended.
CLICK = """output => new Promise(resolve => {
    const state = () => output.querySelector('[role="status"][aria-live] strong')?.textContent;
    const button = [...output.querySelectorAll('button')].find(one => /^Run |^Run$/.test(one.title || one.textContent));
    const seen = {}, start = performance.now();
    new MutationObserver((_, observer) => {
        const now = state();
        if (now === 'running') seen.running ??= performance.now() - start;
        else if (seen.running && now) { observer.disconnect(); resolve(seen.running); }
    }).observe(output, {subtree: true, childList: true, characterData: true});
    button.click();
})"""
EXECUTE = """async code => {
    const start = performance.now();
    await jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}, true).done;
    return performance.now() - start;
}"""


async def measure(tree: Path) -> dict[str, float]:
    """What is measured, in words, and its value."""
    os.environ["PYTHONPATH"] = str(tree)  # for the kernels
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)))
    with tempfile.TemporaryDirectory() as folder, start_sandbox() as sandbox, LabServer.start(Path(folder)) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--no-sandbox"])
            lab = Lab(server, await Guard.start(browser), server.root / "notebook")
            shutil.copytree(tree / "notebooks", lab.folder)
            lab.environment(sandbox.environment())
            await lab.open(NOTEBOOK)
            (first, *_) = (one for one in (await lab.saved_file())["cells"] if one["cell_type"] == "code")
            first_cell = await lab.page.evaluate(EXECUTE, "".join(first["source"]))
            await lab.run_all()
            opened = await widgets(lab)
            await Person(lab).walk()
            walked = await widgets(lab)
            connect = await card(lab, "connect").element_handle()
            answers = [await lab.page.evaluate(CLICK, connect) for _ in range(ROUNDS)]
            await server.shut_down_kernels()
            await browser.close()
    return {
        "first cell, ms (target: 500)": first_cell,
        "a click is answered, ms, median (target: 200)": statistics.median(answers),
        "a click is answered, ms, slowest": max(answers),
        "widgets after Run All": opened,
        "widgets after the walk": walked,
    }


async def widgets(lab: Lab) -> int:
    await lab.page.evaluate(EXECUTE, WIDGETS)
    return int((lab.folder / "widgets").read_text())


def main() -> None:
    commit = sys.argv[1] if len(sys.argv) > 1 else BEFORE
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(before), commit], check=True)
        try:
            measured = [asyncio.run(measure(tree)) for tree in (before, ROOT)]
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)
    print(f"{'what':52} {commit:>10} {'now':>10}")
    for what, was in measured[0].items():
        print(f"{what:52} {was:10.0f} {measured[1][what]:10.0f}")


if __name__ == "__main__":
    main()
