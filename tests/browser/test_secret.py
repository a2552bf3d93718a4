"""A secret that is typed into a card in JupyterLab stays in the kernel."""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from playwright.async_api import Page, WebSocket

from ..world import Sandbox
from .lab import DARK, Lab
from .walk import (
    NOTEBOOK,
    RUN,
    card,
    opened,
    run_by_keyboard,
    said,
)


class Frames:
    """What travels between the page and the kernels."""

    def __init__(self, page: Page) -> None:
        self.to_server: list[bytes] = []
        self.to_page: list[bytes] = []
        page.on("websocket", self._on_websocket)

    def _on_websocket(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self.to_server.append(as_bytes(frame)))
        socket.on("framereceived", lambda frame: self.to_page.append(as_bytes(frame)))


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def forms(canary: str) -> Iterator[bytes]:
    """The canary as it is, and its part of a base64 text, wherever it begins there."""
    yield canary.encode()
    for lead in range(3):
        encoded = base64.b64encode(b"x" * lead + canary.encode())
        yield encoded[4 if lead else 0 : len(encoded) - len(encoded) % 4 - 4]


def holds(place: str | bytes, canary: str) -> bool:
    return any(form in as_bytes(place) for form in forms(canary))


def files_with(folder: Path, canary: str) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and holds(path.read_bytes(), canary)
    ]


def html_of(notebook: dict[str, Any]) -> str:
    page, _ = HTMLExporter().from_notebook_node(nbformat.reads(json.dumps(notebook), as_version=4))
    return str(page)


async def type_secret(lab: Lab, canary: str, *, back: bool = False) -> None:
    await lab.tab_to("OAuth client secret", back=back)
    await lab.page.keyboard.type(canary)
    assert holds(await lab.dom(), canary)  # so the search in the page can find it
    await lab.press("Enter")
    await lab.status("a value is set (from this session)")


async def test_a_wrong_secret_then_the_right_one_and_neither_is_left(configured: Lab, sandbox: Sandbox) -> None:
    """Not in the page, a message to it, any file below the server's folder, the saved widget state or an export."""
    lab, frames = configured, Frames(configured.page)
    wrong = f"canary{secrets.token_hex(20)}"
    right = sandbox.control("POST", "/clients", {}).json()
    await lab.open(NOTEBOOK)
    await lab.run_all()

    await type_secret(lab, wrong)
    await run_by_keyboard(lab)
    assert "failed" in await said(lab, "connect", "failed")
    error = await card(lab, "connect").get_by_role("alert").inner_text()
    for words in (
        "Error: ",
        "Cause: ",
        "Fix: ",
        "HTTP status: 401",
        "This step changed nothing in the org: it sent no write there.",
    ):
        assert words in error
    assert "Traceback" not in await lab.notebook.inner_text()
    assert await lab.errors() == 0
    assert await (await opened(lab, "validate_bucket")).get_by_role("button", name=RUN).is_disabled()
    assert await lab.axe() == []
    await lab.screenshot("walk-error-light")
    await lab.set_theme(DARK)
    assert await lab.axe() == []
    await lab.screenshot("walk-error-dark")

    await lab.tab_to("OAuth client id", back=True)
    await lab.press("Control+a")
    await lab.page.keyboard.type(right["client_id"])
    await type_secret(lab, right["client_secret"])
    await lab.tab_to(RUN)
    await lab.press("Enter")
    assert "Connected" in await said(lab, "connect", "done")
    assert await card(lab, "connect").get_by_role("alert").count() == 0

    await lab._start("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
    await lab._done("Save Widget State", 10)
    await lab.press("Control+s")
    saved = await lab.saved_file()
    state = json.dumps(saved["metadata"]["widgets"])
    assert "PasswordModel" in state
    assert right["client_id"] in state  # what is no secret is there
    folder, dom, html = lab.server.root.parent, await lab.dom(), html_of(saved)
    assert right["client_id"] in dom
    stored = await lab.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    for canary in (wrong, right["client_secret"]):
        assert any(holds(frame, canary) for frame in frames.to_server)
        assert not any(holds(frame, canary) for frame in frames.to_page)
        assert not [name for name, text in {"dom": dom, "html": html, "stored": stored}.items() if holds(text, canary)]
        assert files_with(folder, canary) == []
    assert (lab.home / "ledger.sqlite3").is_file()  # it was among the files
    (lab.home / "planted").write_bytes(b"x" + base64.b64encode(f"id:{wrong}".encode()))
    assert files_with(folder, wrong) == [str((lab.home / "planted").relative_to(folder))]
