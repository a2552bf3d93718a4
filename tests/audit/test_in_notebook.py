"""What stands above the sections in notebook 02: every section can be reached, and the files are the report's."""

import base64
import json
import re
from pathlib import Path

import pytest

from opslib.audit.as_html import page
from opslib.audit.contents import TITLES
from opslib.audit.in_notebook import top
from opslib.audit.report import AuditReport
from opslib.ledger.ledger import Ledger

from .ledgers import walk

FILE = re.compile(r'<a download="(?P<name>[^"]+)" href="data:(?P<type>[^;]+);base64,(?P<content>[^"]+)"')


def test_each_section_has_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the report's order; the recorded example, which is no one's report, offers no file."""
    monkeypatch.setenv("OPSLIB_HOME", str(tmp_path))
    report = AuditReport.open()
    shown = top(report).html
    assert re.findall(r'href="#(\w+)"', shown) == [name for name in TITLES if name not in ("cover", "sign_off")]
    assert all(f'id="{name}"' in report.show(name).html for name in re.findall(r'href="#(\w+)"', shown))
    assert not FILE.search(shown)


def test_the_files_are_those_of_the_report(tmp_path: Path) -> None:
    walk(Ledger(tmp_path).start_run("walk", backend="storage-targets"))
    report = AuditReport.open(home=tmp_path)
    files = {one["name"]: base64.b64decode(one["content"]) for one in FILE.finditer(top(report).html)}
    assert list(files) == ["audit.html", "audit.pdf", "report.json"]
    assert files["audit.html"].decode() == page(report.title, report.sections())
    assert files["audit.pdf"].startswith(b"%PDF")
    assert json.loads(files["report.json"])["title"] == report.title
