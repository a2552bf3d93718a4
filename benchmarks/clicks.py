"""How soon a card answers a click: from pressing its button to a new state on the page, in a real JupyterLab.

    .venv/bin/python benchmarks/clicks.py

Each round clicks Run on Connect, in notebook 01, on a sandbox. Two times are taken in the page: until the card says
"running", which is the answer (target: 200 ms), and until it says how the step ended.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from opslib.sandbox.launch import start_sandbox

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import CHROMIUMS, FLAGS
from tests.browser.lab import Lab, LabServer
from tests.browser.page import Guard

ROUNDS = 20
NOTEBOOK = "01_onboard_storage.ipynb"
# Times in ms from the click to each state that the card shows, until one that is final.
CLICK = """() => new Promise(resolve => {
    const output = [...document.querySelectorAll('.jp-OutputArea-output')]
        .find(one => one.querySelector('h3')?.textContent === 'Connect');
    const state = () => output.querySelector('[role="status"][aria-live] strong')?.textContent;
    const seen = {}, before = state(), start = performance.now();
    new MutationObserver((_, observer) => {
        const now = state();
        if (!now || (now === before && !seen.running)) return;
        seen[now] ??= performance.now() - start;
        if (now !== 'running') { observer.disconnect(); resolve(seen); }
    }).observe(output, {subtree: true, childList: true, characterData: true});
    [...output.querySelectorAll('button')].find(one => /^(Run|Run again)$/.test(one.textContent.trim())).click();
})"""


async def measure() -> list[dict[str, float]]:
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)))
    with tempfile.TemporaryDirectory() as folder, start_sandbox() as sandbox, LabServer.start(Path(folder)) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--no-sandbox"])
            guard = await Guard.start(browser)
            lab = Lab.make(server, guard, "clicks")
            lab.environment(sandbox.environment())
            await lab.open(NOTEBOOK)
            await lab.run_all()
            rounds = [await lab.page.evaluate(CLICK) for _ in range(ROUNDS + 1)]
            await server.shut_down_kernels()
            await browser.close()
    return rounds[1:]  # the first one fills caches


def main() -> None:
    rounds = asyncio.run(measure())
    answer = [one["running"] for one in rounds]
    end = [one["done"] for one in rounds]
    print(f"{'what':52} {'median ms':>10} {'slowest':>8}   of {len(rounds)} clicks")
    for what, values in (("a click is answered: running (target: 200 ms)", answer), ("the step has ended: done", end)):
        print(f"{what:52} {statistics.median(values):10.0f} {max(values):8.0f}")


if __name__ == "__main__":
    main()
