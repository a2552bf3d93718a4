"""docs/recompute.py: from the folder of an audit alone, every figure of its calls and findings; and it finds a lie."""

import ast
import csv
import json
import runpy
import shutil
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from opslib.audit import exports
from opslib.audit.facts import load
from opslib.ledger.ledger import Ledger
from opslib.ledger.samples import DATA_LAKE_OPERATION, TOKEN_OPERATION

from .ledgers import call, walk
from .scripts import DOCS, run_script

SCRIPT = DOCS / "recompute.py"


def _answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """The exit code, and whether each figure agrees, by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [SCRIPT.name, str(folder)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT))
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    return int(ended.value.code or 0), {name: word for word, name, *_ in words}


def _report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_it_is_short_and_needs_python_alone() -> None:
    """So that a reviewer can read all of it."""
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 40
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {(node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name for node in nodes}
    assert modules <= sys.stdlib_module_names


def test_every_figure_of_the_recorded_run_agrees(recorded: Path) -> None:
    """As a process, from a copy of the folder that is all there is."""
    run = run_script("recompute", recorded)
    lines = [line.split() for line in run.stdout.splitlines()]
    report = _report(recorded)
    assert (run.returncode, run.stderr, {word for word, *_ in lines}) == (0, "", {"agrees"})
    assert {name for _, name, *_ in lines} == report["metrics"].keys() | report["findings"].keys() | {"control_counts"}


@pytest.mark.parametrize("part", ["metrics", "findings"])
def test_a_lie_in_the_report_is_found(
    recorded: Path, tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever figure is another one, or missing: just this differs."""
    folder, report = Path(shutil.copytree(recorded, tmp_path / "doctored")), _report(recorded)
    for name, value in report[part].items():
        lies = [None] if value is not None else [1.0]
        lies += [value + 0.01] if isinstance(value, int | float) else []
        for lie in lies:
            (folder / "report.json").write_text(json.dumps({**report, part: {**report[part], name: lie}}))
            code, answers = _answers(folder, capsys)
            assert (code, [name for name, word in answers.items() if word != "agrees"]) == (1, [name])


@pytest.mark.parametrize(
    ("file", "column", "old", "new", "found"),
    [
        ("operations.csv", "outcome", "failure", "success", "success_rate_percent"),
        ("operations.csv", "attempts", "2", "1", "attempts_of_operations"),
        ("samples.csv", "outcome", "rate_limited", "success", "attempts_by_operation"),
        ("samples.csv", "outcome", "not_found", "success", "attempts_not_there"),
        ("findings.csv", "verdict", "WARN", "PASS", "by_verdict"),
        ("findings.csv", "severity", "critical", "low", "by_severity"),
    ],
)
def test_a_lie_in_a_table_is_found(
    recorded: Path, tmp_path: Path, file: str, column: str, old: str, new: str, found: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A failure made a success, a warning made a PASS: the report no longer follows from the tables."""
    folder = Path(shutil.copytree(recorded, tmp_path / "doctored"))
    rows = list(csv.DictReader(StringIO((folder / file).read_text())))
    next(row for row in rows if row[column] == old)[column] = new
    with (folder / file).open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    code, answers = _answers(folder, capsys)
    assert (code, answers[found]) == (1, "DIFFERS")


@pytest.mark.parametrize("attempts", [0, 1, 2, 19, 20, 99, 100])
def test_it_knows_what_is_too_few(tmp_path: Path, attempts: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Also without calls; tokens and the data lake count nowhere, and an answer “no such object” not everywhere."""
    run = Ledger(tmp_path).start_run("walk", backend="storage-targets")
    walk(run)
    outcomes = ("success", "server_error", "not_found", "success")
    for number in range(attempts):
        call(run, number**2 % 37, outcomes[number % 4], operation=f"read_{number % 3}")
    for operation in (TOKEN_OPERATION, DATA_LAKE_OPERATION):
        run.append("sample", {**SAMPLE, "operation": operation})
    facts = load(tmp_path)
    for name, parts in (
        ("report.json", [exports.report_json(facts, None)]),
        ("samples.csv", exports.samples_csv(facts)),
        ("operations.csv", exports.operations_csv(facts)),
        ("findings.csv", exports.findings_csv(facts)),
    ):
        (tmp_path / name).write_text("".join(parts))
    code, answers = _answers(tmp_path, capsys)
    assert (code, set(answers.values())) == (0, {"agrees"})
    assert _report(tmp_path)["metrics"]["attempts"] == attempts


SAMPLE = {
    "step": "connect", "method": "POST", "endpoint": "/x", "attempt": 1, "status": 200, "outcome": "success",
    "latency_s": 9.0, "started_at": "2026-11-24T08:00:00.000Z", "correlation_id": None,
}  # fmt: skip


@pytest.mark.parametrize("name", ["report.json", "operations.csv", "samples.csv", "findings.csv"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\x80", b"[]", b"a,b\n1,2\n\x1b[2J"])
def test_bad_input_ends_with_a_sentence(recorded: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    """A file that is missing or another one; nothing of it acts on the terminal, and nothing is called right."""
    folder = Path(shutil.copytree(recorded, tmp_path / "folder"))
    (folder / name).write_bytes(content) if content is not None else (folder / name).unlink()
    run = run_script("recompute", folder)
    assert run.returncode == 1
    assert (run.stderr.startswith("CANNOT BE RECOMPUTED: ") and run.stderr.count("\n") == 1) or "DIFFERS" in run.stdout
    assert "Traceback" not in run.stderr
    assert "\x1b" not in run.stdout + run.stderr


def test_without_a_folder_it_says_so() -> None:
    """And what is no folder of an audit is none."""
    for words in ([], ["nowhere"]):
        run = run_script("recompute", *words)
        assert (run.returncode, run.stdout, run.stderr[:21]) == (1, "", "CANNOT BE RECOMPUTED:")
