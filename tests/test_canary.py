"""A secret goes to the wire and nowhere else: not into notebooks, outputs, logs, ledger or page."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import nbformat
import pytest
from pypdf import PdfReader

from opslib.audit.folder import write_audit
from opslib.audit.verify import verify
from opslib.sandbox.launch import start_sandbox

from .local_server import QuietHandler, serving
from .world import own_key, without_settings

ROOT = Path(__file__).parents[1]


@contextmanager
def login_that_remembers(login_url: str) -> Iterator[tuple[str, list[str]]]:
    """A door before the sandbox's login: its URL, and the tokens that went through it."""
    tokens: list[str] = []

    class Door(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            passed = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            answer = httpx.post(login_url + self.path, content=body, headers=passed, trust_env=False)
            if answer.is_success:
                tokens.append(answer.json()["access_token"])
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

    with serving(Door) as url:
        yield url, tokens


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Everything that a whole walk under papermill leaves behind, in one folder; and the secrets and tokens it used."""
    folder = tmp_path_factory.mktemp("traces")
    with start_sandbox() as sandbox, login_that_remembers(sandbox.info["login_url"]) as (login_url, tokens):
        secrets = [sandbox.info["client_secret"], sandbox.info["aws_secret_access_key"]]
        env = without_settings() | sandbox.environment()
        env |= {"OPSLIB_LOGIN_URL": login_url, "OPSLIB_HOME": str(folder / "home"), "OPSLIB_LOG_LEVEL": "debug"}
        command = [sys.executable, "-m", "papermill", str(ROOT / "notebooks" / "01_onboard_storage.ipynb"),
                   str(folder / "executed.ipynb"), "-p", "AUTO_RUN", "True", "-k", "python3", "--cwd", str(folder),
                   "--log-output", "--no-progress-bar"]  # fmt: skip
        run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=110)
        (folder / "stdout.txt").write_text(run.stdout)
        (folder / "stderr.txt").write_text(run.stderr)
        assert run.returncode == 0, run.stderr[-2000:]
    write_audit(folder / "audit", home=folder / "home", signing_key=own_key())
    assert tokens
    return folder, secrets + tokens


def _holding(folder: Path, needle: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and needle.encode() in _content(path)]


def _content(path: Path) -> bytes:
    """What is in a PDF is compressed; a long word may be broken anywhere, there and on a page."""
    if path.suffix != ".pdf":
        return path.read_bytes().replace(b"<wbr>", b"")
    return "".join("".join(page.extract_text().split()) for page in PdfReader(path).pages).encode()


@pytest.mark.slow
def test_papermill_does_the_whole_walk(traces: tuple[Path, list[str]]) -> None:
    """The same notebook, with a parameter, through the same handlers: every card is done."""
    folder, _ = traces
    notebook = nbformat.read(folder / "executed.ipynb", as_version=4)
    shown = json.dumps(notebook.cells)
    assert shown.count("<strong>done</strong>") == 14  # each card, and the overview at the end
    assert shown.count('role=\\"status\\"') == 9  # the two recovery cards wait: nothing is unfinished
    assert verify(folder / "home").intact


def test_no_secret_is_left_anywhere(traces: tuple[Path, list[str]]) -> None:
    """Neither secret nor token; what is no secret is there, so the search can find things."""
    folder, secrets = traces
    held = _holding(folder, "upsert_storage_target")
    assert {"ledger.sqlite3", "executed.ipynb", "audit.html", "audit.pdf", "samples.csv"} <= set(held)
    for secret in secrets:
        assert len(secret) >= 32
        assert _holding(folder, secret) == []
    assert _holding(folder, "Bearer ") == []
    (folder / "planted.txt").write_text(secrets[0])
    assert _holding(folder, secrets[0]) == ["planted.txt"]


def test_committed_notebooks_store_no_widget_state() -> None:
    """Secrets could hide there."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert "widgets" not in json.loads(path.read_text())["metadata"]
