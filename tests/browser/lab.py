"""A real JupyterLab on loopback, and a hand on one notebook in it."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import quote

import httpx
import nbformat
from playwright.async_api import Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from ..children import started
from ..notebooks.own_workspace import kernel_environment
from . import page as pages
from .page import DEADLINE_S, Guard, Violation

START_WITHIN_S = 60.0
POLL_MS = 100.0  # else a condition is asked at each frame, and the browser draws one frame after the other
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/themes": {"theme": LIGHT},
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells off the screen are not in the DOM
}
ENVIRONMENT = ".environment.json"
# A workspace of its own for each folder that a kernel runs in, and no name left behind in the notebook.
STARTUP = f"""\
def set_up():
    import json, os
    os.environ["OPSLIB_HOME"] = os.path.abspath(".opslib")
    if os.path.exists({ENVIRONMENT!r}):
        with open({ENVIRONMENT!r}) as file:
            os.environ.update(json.load(file))
set_up()
del set_up
"""

WIDTHS = (800, 1000, 1280, 1920)
SCROLLED_SIDEWAYS = """panel => [panel, ...panel.querySelectorAll('*')].filter(one =>
    one.clientWidth && one.scrollWidth > one.clientWidth + 1
    && ['auto', 'scroll'].includes(getComputedStyle(one).overflowX))
    .map(one => `${one.className}: ${one.innerText.slice(0, 80)}`)"""
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
SCROLLER = f"document.querySelector('{PANEL} .jp-WindowedPanel-outer')"
# Errors are counted in the model: on the page one looks like any other text on stderr.
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
    .flatMap(cell => cell.outputs ?? []).filter(output => output.output_type === 'error')
    .map(output => `${output.ename}: ${output.evalue}`)"""
IS_OPEN = "window.jupyterapp?.shell.currentWidget?.content?.model?.cells"
# The indicator in the toolbar says "idle" before there is a kernel, so ask the session.
READY = """path => {
    const panel = window.jupyterapp?.shell.currentWidget, session = panel?.sessionContext;
    const kernel = session?.session?.kernel;
    return panel?.context?.path === path && panel.context.isReady && session?.isReady
        && kernel?.status === 'idle' && kernel.connectionStatus === 'connected'
        && !document.querySelector('#jupyterlab-splash')
        && ![...panel.node.querySelectorAll('.jp-InputPrompt')].some(prompt => prompt.textContent.includes('*'));
}"""
# The command may be done, and the kernel idle for a moment, while cells still wait for their turn. A cell that fails
# and is not tagged to do so ends the run.
ALL_HAVE_RUN = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
        .filter(cell => cell.cell_type === 'code' && cell.source.length);
    const failed = cells.some(cell => !(cell.metadata.tags ?? []).includes('raises-exception')
        && cell.outputs.some(output => output.output_type === 'error'));
    return failed || cells.every(cell => cell.execution_count !== null);
}"""
# A command's promise, kept while something is clicked that it needs.
WHEN_RUN = """id => { window.opslibPending = new Promise((resolve, reject) => {
    const commands = window.jupyterapp.commands;
    const slot = (_, executed) => {
        if (executed.id !== id) return;
        commands.commandExecuted.disconnect(slot);
        executed.result.then(() => resolve(), reject);
    };
    commands.commandExecuted.connect(slot);
}); }"""


@dataclass
class LabServer:
    """A running JupyterLab with folders, settings and an environment of its own."""

    url: str
    token: str
    root: Path
    settings: Path
    log: Path

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator[Self]:
        own = {name: folder / name for name in ("config", "data", "runtime", "settings", "workspaces", "root")}
        for path in own.values():
            path.mkdir(parents=True)
        token = secrets.token_hex()
        env = {
            name: value
            for name, value in kernel_environment(folder).items()
            if not name.startswith(("JUPYTER", "OPSLIB_AUTO"))
        }
        env |= {
            "JUPYTER_CONFIG_DIR": str(own["config"]),
            "JUPYTER_DATA_DIR": str(own["data"]),
            "JUPYTER_RUNTIME_DIR": str(own["runtime"]),
            "JUPYTERLAB_SETTINGS_DIR": str(own["settings"]),
            "JUPYTERLAB_WORKSPACES_DIR": str(own["workspaces"]),
            "JUPYTER_TOKEN": token,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        startup = Path(env["IPYTHONDIR"]) / "profile_default" / "startup" / "00_workspace.py"
        startup.parent.mkdir(parents=True)
        startup.write_text(STARTUP)
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"),
            *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={own['root']}"),
            *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            *("--allow-root",) * (hasattr(os, "geteuid") and os.geteuid() == 0),
        ]
        log = folder / "server.log"
        with log.open("w") as output:
            process = started(command, cwd=own["root"], env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            url = ready(process, own["runtime"], log)
            server = cls(url, token, own["root"], own["settings"], log)
            server.reset_settings()
            yield server
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def reset_settings(self) -> None:
        """Undo what an earlier test set, such as the theme."""
        shutil.rmtree(self.settings, ignore_errors=True)
        for name, values in SETTINGS.items():
            path = self.settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    async def shut_down_kernels(self) -> None:
        headers = {"Authorization": f"token {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False) as http:
            for kernel in (await http.get("api/kernels")).raise_for_status().json():
                (await http.delete(f"api/kernels/{kernel['id']}", timeout=DEADLINE_S)).raise_for_status()


def ready(process: "subprocess.Popen[bytes]", runtime: Path, log: Path) -> str:
    """The server's URL, once it answers. It writes the port it got into its runtime folder, which is its own."""
    deadline = time.monotonic() + START_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            (information,) = runtime.glob("jpserver-*.json")
            url = str(json.loads(information.read_text())["url"])
            httpx.get(f"{url}api", trust_env=False)
        except (OSError, ValueError, httpx.TransportError):
            time.sleep(0.05)
        else:
            return url
    state = "is not ready" if process.poll() is None else f"ended with exit code {process.returncode}"
    raise AssertionError(f"JupyterLab {state}:\n{log.read_text()[-3000:]}")


def write_notebook(path: Path, *sources: str) -> Path:
    """A notebook of code cells; a source that starts with `# %% [markdown]` becomes a markdown cell."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    )
    mark = "# %% [markdown]\n"
    for number, source in enumerate(sources, 1):
        new = nbformat.v4.new_markdown_cell if source.startswith(mark) else nbformat.v4.new_code_cell
        notebook.cells.append(new(source.removeprefix(mark), id=f"cell-{number:02}"))
    nbformat.write(notebook, path)
    return path


class Lab:
    """One notebook in JupyterLab, used as a person does. `page` is Playwright's; cells count from 0.

    Every wait ends by a condition, or fails at its deadline with what the page shows.
    `folder` is this test's own copy of notebooks/.
    """

    def __init__(self, server: LabServer, guard: Guard, folder: Path) -> None:
        self.server, self.guard, self.folder = server, guard, folder
        self.page: Page = guard.page
        self.path = ""  # of the open notebook, below the server's root

    @classmethod
    def make(cls, server: LabServer, guard: Guard, name: str) -> Self:
        folder = server.root / name
        shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        server.reset_settings()
        return cls(server, guard, folder)

    @property
    def notebook(self) -> Locator:
        """The open notebook, without JupyterLab's own menus and side bars."""
        return self.page.locator(f"{PANEL} .jp-Notebook")

    @property
    def home(self) -> Path:
        """The open notebook's workspace, `OPSLIB_HOME` in its kernel."""
        return (self.server.root / self.path).parent / ".opslib"

    def environment(self, variables: Mapping[str, str]) -> None:
        """Set variables for the kernels of `folder` that start from now on."""
        (self.folder / ENVIRONMENT).write_text(json.dumps(variables))

    async def open(self, notebook: str | Path) -> None:
        """Open a notebook of `folder` (or an absolute path in it) and wait until its kernel is there."""
        self.path = (self.folder / notebook).relative_to(self.server.root).as_posix()
        url = f"{self.server.url}lab/workspaces/{self.folder.name}/tree/{quote(self.path)}"
        await self.page.goto(f"{url}?reset&token={self.server.token}", wait_until="domcontentloaded")
        await self.wait_idle()

    async def reload(self) -> None:
        """Reload the page; the kernel lives on."""
        await self.page.reload(wait_until="domcontentloaded")
        await self.wait_idle()

    async def wait_idle(self, within_s: float = DEADLINE_S) -> None:
        """No cell runs or waits, and the kernel is connected and idle.

        A click on a widget starts work that this cannot foresee: wait for its `status` instead.
        """
        try:
            await self.page.wait_for_function(READY, arg=self.path, timeout=within_s * 1000, polling=POLL_MS)
        except PlaywrightTimeout:
            await self._fail(f"the kernel of {self.path} was not idle within {within_s} s")

    async def run_all(self, within_s: float = DEADLINE_S) -> None:
        """Run → Run All Cells, and wait until the last one has run or one has failed."""
        await self.page.evaluate(WHEN_RUN, "runmenu:run-all")
        await self.page.get_by_role("menuitem", name="Run", exact=True).click()
        await self.page.locator('.lm-Menu [data-command="runmenu:run-all"]').click()
        await self._done("Run All Cells", within_s)
        try:
            await self.page.wait_for_function(ALL_HAVE_RUN, timeout=within_s * 1000, polling=POLL_MS)
        except PlaywrightTimeout:
            await self._fail(f"not all cells of {self.path} had run within {within_s} s")
        await self.wait_idle(within_s)

    async def run_cell(self, number: int, within_s: float = DEADLINE_S) -> None:
        await self.page.evaluate(
            """number => {
                const cells = jupyterapp.shell.currentWidget.content;
                if (!(number in cells.widgets)) throw new Error(`there is no cell ${number}`);
                cells.deselectAll();
                cells.activeCellIndex = number;
            }""",
            number,
        )
        await self._start("notebook:run-cell")
        await self._done(f"cell {number}", within_s)
        await self.wait_idle(within_s)

    async def restart_kernel(self, within_s: float = DEADLINE_S) -> None:
        await self._start("kernelmenu:restart")
        await self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        await self._done("Restart Kernel", within_s)
        await self.wait_idle(within_s)

    async def save(self, within_s: float = DEADLINE_S) -> None:
        await self._start("docmanager:save")
        await self._done("Save", within_s)
        try:
            await self.page.wait_for_function(
                "() => !jupyterapp.shell.currentWidget.context.model.dirty", timeout=within_s * 1000
            )
        except PlaywrightTimeout:
            await self._fail(f"{self.path} was not saved within {within_s} s")

    async def saved_file(self) -> dict[str, Any]:
        """Save, and read back what is on the disk."""
        await self.save()
        notebook: dict[str, Any] = json.loads((self.server.root / self.path).read_text(encoding="utf-8"))
        return notebook

    def button(self, name: str) -> Locator:
        """A button in the notebook, by its whole accessible name."""
        return self.notebook.get_by_role("button", name=name, exact=True)

    async def status(self, text: str | re.Pattern[str], within_s: float = DEADLINE_S) -> str:
        """Wait until a status line in the notebook has this text in it; returns the whole line."""
        line = self.notebook.locator('[role="status"]').filter(has_text=text).first
        try:
            await line.wait_for(state="visible", timeout=within_s * 1000)
        except PlaywrightTimeout:
            await self._fail(f"no status {text!r} within {within_s} s")
        return (await line.inner_text()).strip()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def tab_to(self, name: str | re.Pattern[str], *, back: bool = False, bound: int = 200) -> list[str]:
        """Press Tab until this is reached; see `page.tab_to`. In a cell's editor Tab indents, so that is left first."""
        if await self.page.evaluate("() => document.activeElement.closest('.cm-editor') !== null"):
            await self.press("Escape")
        return await pages.tab_to(self.page, name, back=back, bound=bound)

    async def focused(self) -> tuple[str, str]:
        return await pages.focused(self.page)

    async def set_theme(self, theme: str) -> None:
        """`LIGHT` or `DARK`; it stays for this test, across `open` and `reload`."""
        await self._start("apputils:change-theme", theme=theme)
        await self._done(theme, DEADLINE_S)
        await self.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        await self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    async def scrolled_sideways(self) -> list[str]:
        """What has a horizontal scrollbar at one of WIDTHS. The window is as it was afterwards."""
        before, found = self.page.viewport_size, list[str]()
        for width in WIDTHS:
            await self.page.set_viewport_size({"width": width, "height": 900})
            found += [f"{width}: {one}" for one in await self.notebook.evaluate(SCROLLED_SIDEWAYS)]
        if before:
            await self.page.set_viewport_size(before)
        return found

    async def errors(self) -> int:
        """How many outputs are errors."""
        return len(await self.page.evaluate(ERRORS))

    async def dom(self) -> str:
        """The whole page as HTML, and after it what fields hold, which HTML does not say."""
        values = await self.page.evaluate(
            "() => [...document.querySelectorAll('input, textarea, select')].map(field => field.value)"
        )
        return "\n".join([await self.page.content(), *values])

    async def axe(self, include: str = f"{PANEL} .jp-OutputArea") -> list[Violation]:
        """Violations in the notebook's outputs: JupyterLab's own are not ours to mend.

        To an image in HTML that lacks alternative text JupyterLab adds the word "Image", which axe accepts; we do not.
        """
        async with self.all_in_view():
            found = await pages.axe(self.page, include)
        nameless = self.page.locator(include).locator('img[alt="Image"]')
        if images := await nameless.evaluate_all("all => all.map(one => one.outerHTML)"):
            found.append(Violation("image-alt", "critical", "Images must have alternative text", tuple(images)))
        return found

    @asynccontextmanager
    async def all_in_view(self) -> AsyncIterator[None]:
        """The window so high that the notebook need not scroll, and a <body> that clips nothing.

        Else axe would call each text hidden, for JupyterLab's <body> is 0 high, and would not check its contrast.
        """
        top, height = await self.page.evaluate(
            f"() => {{ const it = {SCROLLER}; return [it.scrollTop, it.scrollHeight]; }}"
        )
        await self._grow(height)
        await self.page.evaluate(f"() => {{ document.body.style.overflow = 'visible'; {SCROLLER}.scrollTop = 0; }}")
        yield
        await self._grow(-height)
        await self.page.evaluate(f"top => {{ document.body.style.overflow = ''; {SCROLLER}.scrollTop = top; }}", top)

    async def _grow(self, pixels: int) -> None:
        """Make the window higher, and wait until JupyterLab has laid out the notebook anew."""
        size = self.page.viewport_size
        wanted = pixels + await self.page.evaluate(f"{SCROLLER}.clientHeight")
        await self.page.set_viewport_size({**size, "height": size["height"] + pixels})
        await self.page.wait_for_function(f"wanted => {SCROLLER}.clientHeight === wanted", arg=wanted)

    async def screenshot(self, name: str, *, of: str | None = None) -> Path:
        return await pages.screenshot(self.page, name, of=of)

    async def _start(self, command: str, **arguments: str) -> None:
        await self.page.evaluate(
            "([id, args]) => { window.opslibPending = window.jupyterapp.commands.execute(id, args); }",
            [command, arguments],
        )

    async def _done(self, what: str, within_s: float) -> None:
        """Wait for the command begun last."""
        done = await self.page.evaluate(
            """ms => Promise.race([
                window.opslibPending.then(() => true), new Promise(resolve => setTimeout(resolve, ms, false))
            ])""",
            within_s * 1000,
        )
        if not done:
            await self._fail(f"{what} was not done within {within_s} s")

    async def _fail(self, what: str) -> NoReturn:
        """With what the page says: most often a dialog is in the way, or a cell has failed."""
        shown = [
            f"{kind}: {' '.join(text.split())[:300]}"
            for kind, selector in (("dialog", ".jp-Dialog"), ("status", f'{PANEL} [role="status"]'))
            for text in await self.page.locator(selector).all_inner_texts()
        ]
        errors = [f"error: {error}" for error in await self.page.evaluate(f"{IS_OPEN} ? ({ERRORS})() : []")]
        raise AssertionError("\n  ".join([what, *shown, *errors])) from None
