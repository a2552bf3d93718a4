"""`opslib verify`, `export-ledger`: what a second person needs to prove that nothing was edited."""

import json
from pathlib import Path

import click

from opslib.chain import Verification
from opslib.ledger_export import write_export
from opslib.settings import Settings
from opslib.signing import read_public_key
from opslib.verify import verify

_WORDS = {"intact": "intact", "unsigned": "UNSIGNED", "broken": "NOT INTACT"}


def verify_path(path: Path, key: str | None, *, as_json: bool) -> int:
    """Say what a check found; 0 only if the record is intact."""
    found = verify(path, read_public_key(key) if key else None)
    click.echo(json.dumps(found.as_json()) if as_json else _as_text(found))
    return 0 if found.intact else 1


def export_ledger(out: Path, *, as_json: bool) -> int:
    """Export the workspace's ledger; the exit code is that of verifying the export."""
    write_export(Settings.load().home, out)
    if not as_json:
        click.echo(f"written: {out}")
    return verify_path(out, None, as_json=as_json)


def _as_text(found: Verification) -> str:
    lines = [f"{_WORDS[found.state]}: {found.reason}", f"head {found.head}", f"key {found.key or 'none'}"]
    return "\n".join([*lines, *(f"not proved: {point}" for point in found.not_proved)])
