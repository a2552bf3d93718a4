"""`opslib verify`, `export-ledger`, `anchor`: what a second person needs to prove that nothing was edited."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from opslib.audit.anchor import Anchor, AnchorBucket
from opslib.audit.verify import verify
from opslib.credentials import usual_keys
from opslib.errors import InvalidInput, LedgerError, OpslibError
from opslib.ledger.chain import Verification
from opslib.ledger.export import write_export
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import read_public_key
from opslib.settings import Settings

_WORDS = {"intact": "intact", "unsigned": "UNSIGNED", "broken": "NOT INTACT"}


def verify_path(path: Path, *, key: str | None, anchor: str | None, region: str, as_json: bool) -> int:
    """Say what a check found, with `anchor` also against the anchors in that bucket; 0 only if the record is intact."""
    pinned = read_public_key(key) if key else None
    found, anchors = verify(path, pinned), list[Anchor]()
    if anchor and not found.first:
        raise InvalidInput(
            f"{path} cannot be checked against anchors",
            cause="it has no entries; anchors are of a ledger",
            fix="give the ledger, the workspace folder or an export",
        )
    if anchor and found.intact:
        anchors, others = asyncio.run(_anchors(found, anchor, region))
        found = verify(path, pinned, [one.checkpoint for one in anchors])
        if others:
            click.echo(f"{others} objects there are no anchors by this key, and were left out", err=True)
    if as_json:
        click.echo(json.dumps({**found.as_json(), "anchors": [one.as_json() for one in anchors]}))
    else:
        click.echo(_as_text(found, anchors))
    return 0 if found.intact else 1


def export_ledger(out: Path, *, as_json: bool) -> int:
    """Export the workspace's ledger; the exit code is that of verifying the export."""
    settings = Settings.load()
    write_export(settings.home, out, settings.signing_key, settings.signing_key.with_suffix(".pub"))
    found = verify(out)
    click.echo(
        json.dumps({"written": str(out), **found.as_json()}) if as_json else f"written: {out}\n{_as_text(found)}"
    )
    return 0 if found.intact else 1


def anchor_ledger(bucket: str, *, region: str, yes: bool, as_json: bool) -> int:
    """Keep a signed checkpoint of the workspace's ledger in a bucket; without `yes` only say so, and return 2."""
    settings = Settings.load()
    found = verify(settings.home)
    if not found.intact:
        raise LedgerError(
            "The ledger was not anchored", cause=found.reason, fix="see `opslib verify`; nothing was written"
        )
    said = asyncio.run(_anchor(settings, found, bucket, region, yes=yes))
    if as_json:
        click.echo(json.dumps(said))
    else:
        place, lock = f"s3://{bucket}/{said['object']}" if yes else f"s3://{bucket}", said["lock"]
        click.echo(f"{'anchored' if yes else 'would anchor'}: entries 1 to {said['seq']} in {place}")
        click.echo(f"locked for {lock['days']} days in {lock['mode']} mode")
        if lock["mode"] != "COMPLIANCE":
            click.echo("note: those who may bypass GOVERNANCE mode can delete it earlier", err=True)
        if not yes:
            click.echo("nothing was written; add --yes to do it", err=True)
    return 0 if yes else 2


async def _anchor(settings: Settings, found: Verification, bucket: str, region: str, *, yes: bool) -> dict[str, Any]:
    async with AnchorBucket.open(bucket, region, usual_keys()) as place:
        lock = vars(await place.lock())
        if not yes:
            return {"anchored": False, "bucket": bucket, "seq": found.entries, "lock": lock}
        ledger = Ledger(settings.home, settings.signing_key)
        run = ledger.start_run("anchor", bucket=bucket)
        point = ledger.checkpoint()
        try:
            name, version = await place.write(found.first, point)
            said = {"bucket": bucket, "object": name, "version": version, "seq": point.seq, "lock": lock}
            run.append("anchor.done", said)
        except OpslibError as error:
            run.append("anchor.failed", error.as_json())
            raise
        finally:
            ledger.checkpoint()
        return {"anchored": True, **said}


async def _anchors(found: Verification, bucket: str, region: str) -> tuple[list[Anchor], int]:
    async with AnchorBucket.open(bucket, region, usual_keys()) as place:
        anchors, others = await place.read(found)
    if not anchors:
        raise LedgerError(
            f"Bucket {bucket} has no anchor of this ledger",
            cause=f"no object there is a checkpoint of it by {found.key} ({others} others stand in their place)",
            fix="if it was anchored there, it was made anew from the start; else anchor it first: opslib anchor",
        )
    return anchors, others


def _as_text(found: Verification, anchors: list[Anchor] | None = None) -> str:
    lines = [f"{_WORDS[found.state]}: {found.reason}", f"head {found.head}", f"key {found.key or 'none'}"]
    lines += [f"anchor of entries 1 to {one.checkpoint.seq}, kept since {one.at} (S3's clock)" for one in anchors or ()]
    return "\n".join([*lines, *(f"not proved: {point}" for point in found.not_proved)])
