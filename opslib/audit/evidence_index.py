"""The index that comes with an audit: each file with its hash, and each control with its entries and files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from opslib.audit import controls, manifest
from opslib.audit.as_html import page
from opslib.audit.control_result import ALL, ControlResult
from opslib.audit.document import Cell, Code, Mark, Prose, Section, Table
from opslib.audit.facts import Facts
from opslib.audit.folder_files import ABOUT, EVIDENCE_INDEX

_FINDINGS = "findings.csv, findings.ocsf.jsonl, report.json"
_CALLS = "operations.csv, samples.csv, report.json"
_OF_CALLS = ("connection", "routing", "removal", "change_feed")
_FILES_LEAD = (
    f"{manifest.NAME} holds the hash of every file, of this one, too, and is signed. how_to_verify.html says how to"
    " verify all of them at once."
)
_CONTROLS_LEAD = (
    "The entries are those of the ledger, which stays with its owner: ask for an export of it (opslib export-ledger)."
    " The files are where this folder shows what they say."
)


def evidence_index(facts: Facts, folder: Path) -> str:
    """The page, of the files that stand in `folder`."""
    files = Table(
        f"{len(ABOUT)} files", ("File", "What it is", "Who needs it", "SHA-256"), [*_files(folder)], (18, 30, 18, 34)
    )
    head = ("Control", "Verdict", "Ledger entries", "Files")
    rows = [_control(result) for result in controls.results(facts)]
    rested = Table(f"{len(rows)} controls", head, rows, (36, 16, 16, 32))
    return page(
        "Evidence index",
        [
            Section("files", "1", "Files", [Prose(_FILES_LEAD), files]),
            Section("controls", "2", "Controls", [Prose(f"Run {facts.run_id}. {_CONTROLS_LEAD}"), rested]),
        ],
    )


def _files(folder: Path) -> Iterator[list[Cell]]:
    for name, about in ABOUT.items():
        file, later = folder / name, name in (EVIDENCE_INDEX, manifest.NAME)
        hashed: Cell = "–" if later else Code(hashlib.sha256(file.read_bytes()).hexdigest())
        yield [name, about.what, about.who, hashed]


def _control(result: ControlResult) -> list[Cell]:
    entries = "all" if result.entries == ALL else ", ".join(map(str, result.entries)) or "–"
    return [result.claim, Mark(result.word, result.exceptions), entries, _where(result)]


def _where(result: ControlResult) -> str:
    if result.control in controls.TITLES.values():
        return _FINDINGS
    return _CALLS if result.id in _OF_CALLS else "report.json"
