"""The folder of an audit: the report for people and for machines, all made from one look at the ledger.

The same ledger gives the same bytes: every time in them is the ledger's.
"""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from opslib.audit import exports, manifest
from opslib.audit.as_html import page
from opslib.audit.as_pdf import Paper, pdf
from opslib.audit.evidence_index import evidence_index
from opslib.audit.folder_files import EVIDENCE_INDEX, FILES, HOW_TO_VERIFY, SCRIPTS, script
from opslib.audit.how_to_verify import how_to_verify
from opslib.audit.report import AuditReport
from opslib.audit.zipped import refuse_to_overwrite, write_zip
from opslib.errors import InvalidInput
from opslib.ledger.database import FILE_NAME, held
from opslib.ledger.signing import Signer
from opslib.new_files import part_folder
from opslib.redact import redact


def write_audit(
    out: Path,
    *,
    home: Path,
    signing_key: Path,
    run_id: str | None = None,
    compare_with: str | None = None,
    as_of: datetime | None = None,
    paper: Paper = "a4",
    zipped: bool = False,
) -> AuditReport:
    """Write FILES, the audit of a run in the workspace `home`, into `out`; by default of its last walk.

    `signing_key` signs the manifest; it is made on first use. `as_of` as in AuditReport.open. Files of an earlier audit
    are replaced, once all new ones are there. `zipped` packs them as `zip_of(out)`, too. Raises LedgerError,
    SigningKeyError, or InvalidInput when a ledger or key is in `out` or below it, `out` is in the workspace, or the zip
    is there already.
    """
    if zipped:
        refuse_to_overwrite(zip_of(out))
    refuse_to_hand_over(out, home, signing_key)
    if manifest.folders_of(out) is not None:
        raise _not_there(out, "it holds a portfolio", "name another folder; nothing was written")
    signer = Signer.load(signing_key)
    with held(home / FILE_NAME):
        report = AuditReport.open(run_id, home, compare_with=compare_with, signing_key=signing_key, as_of=as_of)
        out.mkdir(parents=True, exist_ok=True)
        with part_folder(out) as new:
            write_files(new, report, signer, paper)
            if zipped:
                top, at = f"audit-{report.facts.run_id}", report.facts.extent()[1]
                write_zip(zip_of(out), new, FILES, top=top, at=at)
            for name in FILES:
                os.replace(new / name, out / name)
    return report


def zip_of(out: Path) -> Path:
    """The zip beside a folder.

    >>> str(zip_of(Path("reports/out")))
    'reports/out.zip'
    """
    named = out if out.name not in ("", "..") else out.resolve()
    return named.with_name(f"{named.name}.zip")


def write_files(new: Path, report: AuditReport, signer: Signer, paper: Paper) -> None:
    """Write FILES into a new folder."""
    facts, sections, title = report.facts, report.sections(), report.title
    write(new / "audit.html", [page(title, sections)])
    (new / "audit.pdf").write_bytes(pdf(title, facts.run_id, facts.extent()[1], sections, paper))
    write(new / "samples.csv", exports.samples_csv(facts))
    write(new / "operations.csv", exports.operations_csv(facts))
    write(new / "findings.csv", exports.findings_csv(facts))
    write(new / "findings.ocsf.jsonl", exports.findings_ocsf(facts))
    write(new / "report.json", [exports.report_json(facts, report.before)])
    write(new / HOW_TO_VERIFY, [how_to_verify()])
    for name in SCRIPTS:
        (new / name).write_bytes(script(name))
    write(new / EVIDENCE_INDEX, [evidence_index(facts, new)])
    manifest.write_manifest(new, facts.run_id, facts.extent()[1], facts.ledger, signer)


def refuse_to_hand_over(out: Path, home: Path, signing_key: Path) -> None:
    """Readers of an audit get its whole folder, and a program that packs it may follow the links in it."""
    private = [os.path.realpath(file) for file in (home / FILE_NAME, signing_key)]
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(home)):
        raise _not_there(out, f"it is in the workspace {home}, and readers of the audit get the whole folder")
    for path in (out, *_below(out)):
        leads_to = os.path.realpath(path)
        holds = any(Path(file).is_relative_to(leads_to) for file in private)
        if holds or path.name in (FILE_NAME, signing_key.name):
            what = "a signing key or a ledger is in it" if path == out else f"{path} is, or leads to, a ledger or a key"
            raise _not_there(out, f"{what}, and readers of the audit get the whole folder")


def _below(folder: Path) -> Iterator[Path]:
    return (Path(parent, name) for parent, folders, names in os.walk(folder) for name in (*folders, *names))


def _not_there(
    out: Path, cause: str, fix: str = "name another folder, or move that file; nothing was written"
) -> InvalidInput:
    return InvalidInput(f"An audit cannot be written to {out}", cause=cause, fix=fix)


def write(file: Path, parts: Iterable[str]) -> None:
    """Write a file of the audit, without any secret that is known here."""
    with file.open("w", encoding="utf-8", newline="") as out:
        out.writelines(redact(part) for part in parts)
