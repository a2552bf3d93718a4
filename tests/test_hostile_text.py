"""Text from a server, AWS or a foreign ledger, on every surface: none of it acts, and none begins a line."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opslib.audit.folder import write_audit
from opslib.errors import error_class
from opslib.ledger.chain import NO_HASH
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer
from opslib.router.render import as_text as plan_text
from opslib.validator.render import as_text as findings_text
from opslib.widgets.findings import findings_html
from opslib.widgets.plan import plan_html
from opslib.widgets.receipt import View, receipt

from .audit.ledgers import STEPS, bucket_report, call, finding, step
from .audit.tampering import load, write_ledger
from .hostile import ACTS, WIPE, acting
from .world import own_key, without_settings

HOSTILE = f"x{WIPE}{''.join(ACTS)}\nintact: all is well"
SCRIPTS = Path(__file__).parents[1] / "docs"


def hostile(value: Any, keep: tuple[str, ...]) -> Any:
    """The same JSON, with every text hostile but those under the keys that a program reads."""
    if isinstance(value, dict):
        return {key: part if key in keep else hostile(part, keep) for key, part in value.items()}
    if isinstance(value, list):
        return [hostile(part, keep) for part in value]
    return HOSTILE if isinstance(value, str) else value


PLAN = {
    "checksum": "c",
    "changes": [
        {"action": "update", "kind": "target", "id": "i", "name": "n", "fields": [
            {"path": "p", "before": "b", "after": ["a", {"name": "q"}]}, {"path": "p", "before": None, "after": "a"},
        ]},
    ],
    "unsafe": [{"name": "bucket", "why": "w"}],
    "notes": ["note"],
}  # fmt: skip
HOSTILE_PLAN = hostile(PLAN, ("action", "kind"))
HOSTILE_REPORT = hostile(
    {**bucket_report(), "findings": [finding("owner", "FAIL", cli="c", terraform="t", actions=["a"], rule="r")]},
    ("verdict", "severity", "profile", "at", "region", "clocks", "counts"),
)
ERROR = error_class(403)(HOSTILE, cause=HOSTILE, fix=HOSTILE, correlation_id=HOSTILE)
SURFACES: dict[str, tuple[Callable[[], str], str]] = {
    # What is shown, and with what each of its own lines begins.
    "error": (lambda: str(ERROR), "x|  Cause: x|  Fix: x|  Correlation id: x"),
    "plan": (lambda: plan_text(HOSTILE_PLAN), r"~ update target x|    x.*: x|    x.*: –|! x|i x|1 to change"),
    "plan in a notebook without HTML": (lambda: plan_html(HOSTILE_PLAN).plain, r"~ |    x|! |i |1 to"),
    "findings": (lambda: findings_text(HOSTILE_REPORT), r"x|  ✖ FAIL|\s+Fix: x|\s+x|\s+intact|  1\d? |  x"),
}
PAGES: dict[str, Callable[[], str]] = {
    "plan card": lambda: plan_html(HOSTILE_PLAN).html,
    "findings card": lambda: findings_html(HOSTILE_REPORT, measured=True),
    "card": lambda: receipt(
        View(HOSTILE, HOSTILE, "failed", HOSTILE, [HOSTILE], None, [(HOSTILE, HOSTILE)], error=ERROR, trace=HOSTILE)
    ),
}


@pytest.mark.parametrize("surface", SURFACES)
def test_each_line_of_a_text_is_ours(surface: str) -> None:
    """Nothing acts, and no line of the server's begins like one of ours. A command keeps its lines, indented."""
    show, begins = SURFACES[surface]
    lines = show().split("\n")
    assert [acting(line) for line in lines] == [""] * len(lines)
    assert "U+001B[2J" in lines[0] + lines[1]
    for line in lines:
        assert re.match(begins, line), line
        assert not line.startswith("intact")


@pytest.mark.parametrize("surface", PAGES)
def test_nothing_acts_on_a_page(surface: str) -> None:
    """Line breaks are blanks there; right-to-left marks and invisible characters are written out."""
    page = PAGES[surface]()
    assert acting(page.replace("\n", "")) == ""
    assert "U+202E" in page


def test_a_log_line_is_one_line_of_ascii() -> None:
    """JSON reads back to what came; DEL and C1 are escaped as well."""
    code = "import json, sys; from opslib.genesys.logs import log; log('warning', 'e', name=json.loads(sys.argv[1]))"
    env = without_settings() | {"OPSLIB_LOG_LEVEL": "debug"}
    words = [sys.executable, "-c", code, json.dumps(HOSTILE)]
    said = subprocess.run(words, env=env, capture_output=True, check=True).stderr
    assert json.loads(said)["name"] == HOSTILE
    assert re.fullmatch(rb"[ -~]+\n", said)


def _forged(home: Path, at: str) -> Path:
    """A ledger by somebody else, hostile in one place: a column of an entry, the key, or the name of a table."""
    Ledger(home / "empty").close()
    ledger = Ledger(home)
    for number in range(3):
        ledger.append("run-1", "note", {"number": number})
    ledger.checkpoint()
    ledger.close()
    tables, path = load(home / FILE_NAME), home / FILE_NAME
    if at == "key":
        tables.head[0]["key"] = tables.head[0]["key"] + WIPE
    elif at == "hash":
        tables.head[0]["hash"] = NO_HASH + WIPE
    else:
        tables.entries[1][at] = WIPE
    write_ledger(tables, home / "empty" / FILE_NAME, path)
    return path


@pytest.mark.parametrize("at", ["key", "hash", "run_id", "kind", "at", "body"])
def test_a_forged_ledger_cannot_wipe_the_verdict_away(tmp_path: Path, at: str) -> None:
    """`opslib verify` and the script without opslib: what they say is plain text, and says NOT INTACT."""
    path = _forged(tmp_path, at)
    for command in (["-m", "opslib.cli", "verify"], [str(SCRIPTS / "verify_ledger.py")]):
        run = subprocess.run([sys.executable, *command, str(path)], capture_output=True, env=without_settings())
        assert run.returncode == 1
        said = (run.stdout + run.stderr).decode()
        assert [acting(line) for line in said.splitlines()] == [""] * len(said.splitlines())
        assert not re.search(r"(?m)^intact", said)
        assert said.startswith(("NOT INTACT", "UNSIGNED", "CANNOT BE CHECKED"))


def test_a_manifest_by_somebody_else_says_what_it_says_in_plain_text(tmp_path: Path) -> None:
    """It is signed, by them, whose key was taken for right; the name of its ledger's head would wipe the screen."""
    signer = Signer.load(tmp_path / "their.pem")
    folder = tmp_path / "audit"
    folder.mkdir()
    bare = {"files": {}, "key": signer.public_key, "ledger": {"head": WIPE, "state": WIPE}, "signature": ""}
    spelled = json.dumps(bare, indent=2, sort_keys=True).encode() + b"\n"
    (folder / "manifest.json").write_bytes(
        json.dumps({**bare, "signature": signer.sign(spelled)}, indent=2, sort_keys=True).encode() + b"\n"
    )
    command = [sys.executable, str(SCRIPTS / "verify_audit.py"), str(folder), signer.public_key]
    run = subprocess.run(command, capture_output=True)
    assert run.returncode == 0
    assert re.fullmatch(rb"intact[ -~]+\n", run.stdout)


@pytest.mark.slow
def test_an_audit_of_hostile_text(tmp_path: Path) -> None:
    """Every file of the folder, the PDF as `pdftotext` reads it: nothing acts, and no cell of a CSV is a formula."""
    run = Ledger(tmp_path / "home").start_run("walk", backend="storage-targets")
    for name in STEPS:
        data = HOSTILE_REPORT if name == "validate_bucket" else HOSTILE_PLAN if name == "plan" else {}
        step(run, name, "done", json.loads(json.dumps(data).replace("\\udfff\\ud800", "")))
    call(run, 1, operation="=cmd()\u202e")
    write_audit(tmp_path / "out", home=tmp_path / "home", signing_key=own_key())
    for file in (tmp_path / "out").iterdir():
        text = file.read_text() if file.suffix != ".pdf" else _pdf_text(file)
        assert acting(re.sub(r"[\n\f]", "", text)) == "", file.name
        if file.suffix == ".csv":
            assert not re.search(r"(?m)(^|,)\"?[=+@＝]", text)
    assert "U+202E" in _pdf_text(tmp_path / "out" / "audit.pdf")


def _pdf_text(file: Path) -> str:
    from pypdf import PdfReader

    return "".join(page.extract_text() for page in PdfReader(file).pages)
