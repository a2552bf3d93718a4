"""The folder of a portfolio: its page, the same for programs, a folder with the whole audit of each target, and a
manifest.

All of it is written beside what is there, and takes its place at the end. Until the new manifest is there, no other one
is: a folder that a crash left between the two is no portfolio.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from opslib.audit import manifest
from opslib.audit.as_pdf import Paper
from opslib.audit.folder import refuse_to_hand_over, write, write_files
from opslib.audit.portfolio.as_html import page
from opslib.audit.portfolio.portfolio import Chosen, Portfolio, Source, open_source
from opslib.audit.portfolio.row import Row, failed, row_of
from opslib.audit.report import AuditReport
from opslib.audit.sections.comparison import earlier
from opslib.errors import InvalidInput
from opslib.ledger.database import FILE_NAME, held
from opslib.ledger.signing import Signer
from opslib.new_files import part_folder
from opslib.settings import DEFAULT_EVIDENCE_DAYS

FILES = ("portfolio.html", "portfolio.json", manifest.NAME)

# Called with how many targets are done, of how many, and the name of the next one.
Tell = Callable[[int, int, str], None]


def write_portfolio(
    out: Path,
    *,
    home: Path,
    signing_key: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    as_of: datetime | None = None,
    paper: Paper = "a4",
    evidence_days: int = DEFAULT_EVIDENCE_DAYS,
    tell: Tell = lambda *_: None,
) -> Portfolio:
    """Write FILES, and for each target in the workspace `home` a folder with the audit of its last walk, into `out`.

    The other arguments are as in `open_source` and `opslib.audit.folder.write_audit`. An earlier portfolio there is
    replaced as a whole. A target that cannot be audited is listed with its error. Raises LedgerError, SigningKeyError,
    and InvalidInput also where something else in `out` has a name that is needed.
    """
    refuse_to_hand_over(out, home, signing_key)
    old = _portfolio_in(out)
    signer, path = Signer.load(signing_key), home / FILE_NAME
    with held(path):
        range_ = {"since": since, "until": until, "as_of": as_of}
        source = open_source(path, **range_, own_key=signer.public_key, evidence_days=evidence_days)
        targets = source.targets()
        _refuse_to_replace(out, [one.folder for one in targets if one.folder not in old])
        out.mkdir(parents=True, exist_ok=True)
        with part_folder(out) as new:
            rows = []
            for at, one in enumerate(targets):
                tell(at, len(targets), one.name)
                rows.append(_write_target(new, source, one, signer, paper))
            tell(len(targets), len(targets), "")
            portfolio = Portfolio(source, signer.public_key, sorted(rows, key=lambda row: row.place))
            write(new / "portfolio.html", [page(portfolio)])
            write(new / "portfolio.json", [portfolio.as_json()])
            manifest.write_portfolio_manifest(new, source.at, source.ledger, signer)
            _move(new, out, old)
    return portfolio


def _write_target(new: Path, source: Source, chosen: Chosen, signer: Signer, paper: Paper) -> Row:
    """One target's folder, and its row; without the folder where that fails."""
    folder, run_id = new / chosen.folder, chosen.walks[-1]
    folder.mkdir()
    try:
        facts = source.facts(run_id)
        write_files(folder, AuditReport(facts, earlier(facts)), signer, paper)
        return row_of(facts, chosen.target, chosen.name, chosen.folder, chosen.walks[:-1])
    except OSError:  # such as a full disk, which no other target would fare better with
        raise
    except Exception as error:  # noqa: BLE001 (one target's entries may be of any shape; the others are audited)
        shutil.rmtree(folder)
        return failed(chosen.target, chosen.name, "", run_id, chosen.at, error)


def _portfolio_in(out: Path) -> list[str]:
    """The folders of the portfolio that is there. Raises InvalidInput where another audit is."""
    folders = manifest.folders_of(out) if out.is_dir() else None
    if folders is None and manifest.is_audit(out):
        raise _not_there(out, f"it holds an audit: its {manifest.NAME} is not that of a portfolio")
    return [name for name in folders or () if manifest.is_audit(out / name)]


def _refuse_to_replace(out: Path, names: list[str]) -> None:
    for name in names:
        if os.path.lexists(out / name):
            raise _not_there(out, f"{name} is there, and no portfolio that is there names it")


def _not_there(out: Path, cause: str) -> InvalidInput:
    return InvalidInput(
        f"A portfolio cannot be written to {out}", cause=cause, fix="name another folder; nothing was written"
    )


def _move(new: Path, out: Path, old: list[str]) -> None:
    """Put the new folders and files in the place of the old ones, the manifest last."""
    replaced = new / ".replaced"
    replaced.mkdir()
    with suppress(FileNotFoundError):
        (out / manifest.NAME).unlink()
    for name in old:
        os.replace(out / name, replaced / name)
    for folder in sorted(path for path in new.iterdir() if path.is_dir() and path != replaced):
        os.replace(folder, out / folder.name)
    for name in FILES:
        os.replace(new / name, out / name)
