import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from opslib.audit.page import AuditNotRendered, write_page
from opslib.audit.report import RECORDED
from opslib.ledger import Ledger


class Page(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(tmp_path_factory.mktemp("out"), home=RECORDED.parent).read_text()


def test_no_script_no_network_no_code(page: str) -> None:
    """Nothing is loaded, nothing runs, and no Python is shown."""
    tags = Page(page)
    assert tags.all("script") == tags.all("link") == tags.all("iframe") == []
    assert [image for image in tags.all("img") if not str(image["src"]).startswith("data:image/png;base64,")] == []
    assert not re.search(r"https?://(?!127\.0\.0\.1)", re.sub(r"data:[^\"]*", "", page))
    assert not any(name.startswith("on") for _, attributes in tags.tags for name in attributes)
    policy = next(meta for meta in tags.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'")
    assert "AuditReport" not in page


def test_structure_for_readers(page: str) -> None:
    """Language, title, one main heading, captions, header cells with scope, and words for each picture."""
    tags = Page(page)
    assert tags.all("html") == [{"lang": "en"}]
    assert len(tags.all("h1")) == len(tags.all("main")) == len(tags.all("title")) == 1
    assert len(tags.all("table")) == len(tags.all("caption")) == 12
    assert all(cell.get("scope") in ("row", "col") for cell in tags.all("th"))
    assert len(tags.all("img")) == 3
    assert all(image["alt"] for image in tags.all("img"))
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_two_pages_of_one_ledger_are_the_same_bytes(page: str, tmp_path: Path) -> None:
    """Pictures included."""
    assert write_page(tmp_path, home=RECORDED.parent).read_text() == page


def test_the_command(tmp_path: Path) -> None:
    """`opslib audit` writes the page of the workspace; a missing run is said, and leaves an earlier page alone."""
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    shutil.copy(RECORDED, home)
    command = [sys.executable, "-m", "opslib.cli", "audit", "--out", str(out)]
    env = os.environ | {"OPSLIB_HOME": str(home)}
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (run.returncode, run.stderr) == (0, "")
    written = (out / "audit.html").read_bytes()
    run = subprocess.run([*command, "--run", "none-such"], capture_output=True, text=True, env=env)
    assert run.returncode == 1
    assert "There is no such run" in run.stderr
    assert "Traceback" not in run.stderr
    assert (out / "audit.html").read_bytes() == written


def test_a_workspace_without_a_walk_is_an_error_not_the_example(tmp_path: Path) -> None:
    """A reviewer never gets the recorded example in place of their own run."""
    with pytest.raises(AuditNotRendered, match="No ledger"):
        write_page(tmp_path / "out", home=tmp_path / "nothing-here")
    Ledger(tmp_path)
    with pytest.raises(AuditNotRendered, match="no walk yet"):
        write_page(tmp_path / "out", home=tmp_path)
