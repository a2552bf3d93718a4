"""`opslib audit`, `verify`, `anchor`, `export-ledger`: the reviewer's report, and the proof that nothing was edited."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from opslib.audit.anchor import Anchor, AnchorBucket
from opslib.audit.as_pdf import PAPERS, Paper
from opslib.audit.folder import write_audit, zip_of
from opslib.audit.folder_files import FILES
from opslib.audit.portfolio.folder import FILES as PORTFOLIO_FILES
from opslib.audit.portfolio.folder import write_portfolio
from opslib.audit.verify import verify as verify_record
from opslib.cli import options
from opslib.cli.confirm import agreed, can_ask
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import say, say_json, say_progress
from opslib.credentials import usual_keys
from opslib.errors import InvalidInput, LedgerError, OpslibError
from opslib.ledger.chain import Verification
from opslib.ledger.export import write_export
from opslib.ledger.signing import existing_public_key, read_public_key
from opslib.ledger.workspace import kind_of, workspace_ledger
from opslib.settings import ENV_FILE, Settings
from opslib.verdict import in_words
from opslib.walk.identities import Identities
from opslib.walk.recheck import recheck

_WORDS = {
    "intact": "intact",
    "unconfirmed": "SIGNED BY AN UNCONFIRMED KEY",
    "unsigned": "UNSIGNED",
    "broken": "NOT INTACT",
}


@click.command(
    epilog=options.examples(
        "opslib audit --out out --zip",
        "opslib audit --out out --recheck --run RUN",
        "opslib audit --all --since 2026-10-01 --until 2026-11-01 --out october",
    )
)
@click.option(
    "--run",
    "run_id",
    type=options.Named(),
    metavar="RUN",
    help="A run's id, as `opslib where` lists them; by default the last walk.",
)
@click.option(
    "--compare",
    "compare_with",
    type=options.Named(),
    metavar="RUN",
    help="A run's id; by default the walk of this target before.",
)
@click.option("--recheck", "read_again", is_flag=True, help="First read bucket and org again; writes to neither.")
@click.option("--all", "of_all", is_flag=True, help="A page over every target, and the audit of the last walk of each.")
@click.option("--since", type=options.UtcMoment(), metavar="TIME", help="With --all: walks that began then or later.")
@click.option(
    "--until",
    type=options.UtcMoment(),
    metavar="TIME",
    help="With --all: as of then, without what is later.",
)
@click.option("--out", type=options.PathType(file_okay=False), required=True, help="The folder to write to.")
@click.option(
    "--zip", "zipped", is_flag=True, help="Write it as one file to hand over, too: the folder's name with .zip."
)
@click.option("--paper", type=click.Choice(PAPERS), default="a4", show_default=True, help="The paper of the PDF.")
@options.as_json
def audit(
    run_id: str | None,
    compare_with: str | None,
    read_again: bool,
    of_all: bool,
    since: datetime | None,
    until: datetime | None,
    out: Path,
    zipped: bool,
    paper: Paper,
    as_json: bool,
) -> None:
    """Write the reviewer's report from the ledger in the workspace: HTML, PDF, CSV, OCSF, JSON, how to verify it, and
    their manifest.

    With --all, for every target, and a page over all of them: portfolio.html. A TIME is a day (its midnight in UTC) or
    RFC 3339, such as 2026-10-01T08:00:00Z.
    """
    settings = Settings.load()
    if of_all:
        if run_id or compare_with or read_again or zipped:
            options.refuse("--all takes the last walk of every target: leave out --run, --compare, --recheck and --zip")
        _write_portfolio(settings, out, since, until, paper, as_json=as_json)
        return
    if since or until:
        options.refuse("--since and --until are for --all: without it, an audit is of one run")
    reads = asyncio.run(recheck(run_id, settings)) if read_again else []
    report = write_audit(
        out,
        home=settings.home,
        signing_key=settings.signing_key,
        run_id=run_id,
        compare_with=compare_with,
        paper=paper,
        zipped=zipped,
    )
    if as_json:
        read = [{name: getattr(result, name) for name in ("step", "state", "summary")} for result in reads]
        packed = {"zip": str(zip_of(out))} if zipped else {}
        say_json({"folder": str(out), "files": FILES, **packed, **({"recheck": read} if read_again else {})})
    else:
        say(*(f"{result.state:8} {result.summary}" for result in reads))
        say(*(f"written: {out / name}" for name in FILES))
        say(*([f"written: {zip_of(out)}"] if zipped else []))
        say(f"of run {report.facts.run_id}, begun {report.facts.started.at}; --run names another")


def _write_portfolio(
    settings: Settings, out: Path, since: datetime | None, until: datetime | None, paper: Paper, *, as_json: bool
) -> None:
    portfolio = write_portfolio(
        out,
        home=settings.home,
        signing_key=settings.signing_key,
        since=since,
        until=until,
        paper=paper,
        evidence_days=settings.evidence_days,
        tell=(lambda *_: None) if as_json else _say_target,
    )
    if as_json:
        targets = [
            {"name": row.name, "folder": row.folder, "verdict": in_words(row.verdict), "error": row.error}
            for row in portfolio.rows
        ]
        say_json({"folder": str(out), "files": PORTFOLIO_FILES, "targets": targets})
        return
    say(*(f"{in_words(row.verdict):11} {row.name}: {row.error or row.folder}" for row in portfolio.rows))
    say(*(f"written: {out / name}" for name in PORTFOLIO_FILES), f"of {len(portfolio.rows)} targets, a folder each")


def _say_target(done: int, total: int, name: str) -> None:
    say_progress("" if done == total else f"{done} of {total} targets, {name} …")


@click.command(
    epilog=options.examples("opslib verify out --key ed25519:KEY", "opslib verify ledger.jsonl --anchor BUCKET")
)
@click.argument("path", type=options.PathType())
@click.option(
    "--key",
    type=options.Named(),
    metavar="KEY",
    help="The public key it must be signed with: ed25519:… or the file it is in.",
)
@click.option(
    "--anchor",
    "anchor_bucket",
    type=options.Named(),
    metavar="BUCKET",
    help="Check it against the anchors in this bucket, too.",
)
@options.anchor_region
@options.as_json
def verify(path: Path, key: str | None, anchor_bucket: str | None, region: str, as_json: bool) -> ExitCode:
    """Prove that PATH (workspace folder, ledger file, export, audit folder or its zip, portfolio) is as it was signed.

    Exit code 0 only if it is, and the key is the one given or this machine's own. Anybody can sign what they made.
    """
    pinned = read_public_key(key) if key else None
    verification, anchors = verify_record(path, pinned), list[Anchor]()
    if not pinned and verification.intact and verification.key == _own_key():
        pinned = verification.key
        verification = verify_record(path, pinned)
    if anchor_bucket and not verification.first:
        raise InvalidInput(
            f"{path} cannot be checked against anchors",
            cause="it has no entries; anchors are of a ledger",
            fix="give the ledger, the workspace folder or an export",
        )
    if anchor_bucket and verification.intact:
        anchors, others = asyncio.run(_read_anchors(verification, anchor_bucket, region))
        verification = verify_record(path, pinned, [anchor.checkpoint for anchor in anchors])
        if others:
            say(f"{others} objects there are no anchors by this key, and were left out", err=True)
    state = _state(verification, pinned)
    document = {**_as_json(verification, state), "anchors": [anchor.as_json() for anchor in anchors]}
    say_json(document) if as_json else say(*_lines(verification, state, anchors))
    return _exit_code(state)


@click.command(epilog=options.examples("opslib anchor audit-anchors --region eu-central-1"))
@click.argument("bucket")
@options.anchor_region
@options.yes
@options.as_json
def anchor(bucket: str, region: str, yes: bool, as_json: bool) -> ExitCode:
    """Keep a signed checkpoint of the ledger in BUCKET, which needs Object Lock with a default retention.

    Shows what it would write and asks first. Without --yes, where nobody can be asked, it only shows it (exit code 2).
    """
    settings = Settings.load()
    verification = verify_record(settings.home)
    if not verification.intact:
        raise LedgerError(
            "The ledger was not anchored", cause=verification.reason, fix="see `opslib verify`; nothing was written"
        )
    if not yes:
        planned = asyncio.run(_anchor(settings, verification, bucket, region, yes=False))
        if as_json:
            say_json(planned)
        else:
            _show_anchor(planned)
        if not can_ask(as_json=as_json):
            say("nothing was written; add --yes to do it", err=True)
            return ExitCode.CHANGES
        if not agreed("Write this checkpoint, which nobody can delete before its time,", f"to bucket {bucket}"):
            return ExitCode.CHANGES
    report = asyncio.run(_anchor(settings, verification, bucket, region, yes=True))
    if as_json:
        say_json(report)
    else:
        _show_anchor(report)
    return ExitCode.DONE


@click.command(epilog=options.examples("opslib export-ledger --out ledger.jsonl"))
@click.option("--out", type=options.PathType(dir_okay=False), required=True, help="The file to write.")
@options.as_json
def export_ledger(out: Path, as_json: bool) -> ExitCode:
    """Write the workspace's ledger as JSON lines, with its checkpoints and public key, and verify what was written."""
    settings = Settings.load()
    write_export(settings.home, out, settings.signing_key, settings.signing_key.with_suffix(".pub"))
    verification = verify_record(out)
    state = _state(verification, existing_public_key(settings.signing_key))
    document = {"written": str(out), **_as_json(verification, state)}
    say_json(document) if as_json else say(f"written: {out}", *_lines(verification, state))
    return _exit_code(state)


async def _anchor(
    settings: Settings, verification: Verification, bucket: str, region: str, *, yes: bool
) -> dict[str, Any]:
    keys = await asyncio.to_thread(usual_keys)
    async with AnchorBucket.open(bucket, region, keys) as anchors:
        lock = vars(await anchors.lock())
        if not yes:
            return {"anchored": False, "bucket": bucket, "seq": verification.entries, "lock": lock}
        ledger = workspace_ledger(settings)
        run = ledger.start_run("anchor", bucket=bucket, **kind_of(settings))
        await Identities(run).ask_aws(region, keys)
        checkpoint = ledger.checkpoint()
        try:
            name, version = await anchors.write(verification.first, checkpoint)
            report = {"bucket": bucket, "object": name, "version": version, "seq": checkpoint.seq, "lock": lock}
            run.append("anchor.done", report)
        except OpslibError as error:
            run.append("anchor.failed", error.as_json())
            raise
        finally:
            ledger.checkpoint()
        return {"anchored": True, **report}


def _show_anchor(report: dict[str, Any]) -> None:
    done, lock, place = report["anchored"], report["lock"], f"s3://{report['bucket']}"
    say(
        f"anchored: entries 1 to {report['seq']} in {place}/{report['object']}"
        if done
        else f"would anchor: entries 1 to {report['seq']} in {place}"
    )
    say(f"locked for {lock['days']} days in {lock['mode']} mode")
    if lock["mode"] != "COMPLIANCE":
        say("note: those who may bypass GOVERNANCE mode can delete it earlier", err=True)


async def _read_anchors(verification: Verification, bucket: str, region: str) -> tuple[list[Anchor], int]:
    async with AnchorBucket.open(bucket, region, await asyncio.to_thread(usual_keys)) as place:
        anchors, others = await place.read(verification)
    if not anchors:
        raise LedgerError(
            f"Bucket {bucket} has no anchor of this ledger",
            cause=f"no object there is a checkpoint of it by {verification.key} ({others} others stand in their place)",
            fix="if it was anchored there, it was rewritten from the start; else anchor it first: opslib anchor",
        )
    return anchors, others


def _own_key() -> str:
    """The public key of this machine; empty where there is none. One that a .env names does not count: the folder that
    is to be proved may have come with it."""
    settings = Settings.load()
    return "" if settings.sources()["signing_key"] == ENV_FILE else existing_public_key(settings.signing_key)


def _state(verification: Verification, confirmed: str | None) -> str:
    """A key of `_WORDS`; `confirmed` is the public key that is known to be the owner's."""
    if verification.intact and verification.key != confirmed:
        return "unconfirmed"
    return verification.state


def _as_json(verification: Verification, state: str) -> dict[str, Any]:
    return {**verification.as_json(), "state": state, "intact": state == "intact"}


def _exit_code(state: str) -> ExitCode:
    return ExitCode.DONE if state == "intact" else ExitCode.FAILED


def _lines(verification: Verification, state: str, anchors: Sequence[Anchor] = ()) -> list[str]:
    return [
        f"{_WORDS[state]}: {verification.reason}",
        f"head {verification.head}",
        f"key {verification.key or 'none'}",
        *(f"anchor of entries 1 to {one.checkpoint.seq}, kept since {one.at} (S3's clock)" for one in anchors),
        *(f"not proved: {point}" for point in verification.not_proved),
    ]
