"""Onboarding files: write one, plan, apply, undo, compare with the org."""

import asyncio
import os
import textwrap
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import click

from opslib.cli import options
from opslib.cli.exit_codes import ExitCode
from opslib.cli.interrupt import first_interrupt_stops, half_done_if_cancelled
from opslib.cli.output import say, say_json, say_text
from opslib.errors import HalfDone, InvalidInput, LedgerError, LedgerNotProved, OpslibError, StalePlan, foreseen
from opslib.onboarding.example import write_example
from opslib.onboarding.file import as_yaml, load_onboarding
from opslib.onboarding.models import BackendName, Consent, Onboarding
from opslib.router.journal import is_left_in
from opslib.router.plan import Plan
from opslib.router.render import as_text
from opslib.sandbox.launch import start_sandbox
from opslib.settings import Settings
from opslib.walk.walk import Walk


@click.command()
@click.argument("file", type=options.PathType(), default=Path("onboarding.yaml"))
@click.option(
    "--backend",
    type=click.Choice(["storage-targets", "platform"]),
    default="storage-targets",
    envvar="OPSLIB_BACKEND",
    help="platform: the API that Genesys publishes.",
)
def init(file: Path, backend: BackendName) -> None:
    """Write a commented example to FILE; an existing file is left alone."""
    write_example(file, backend, Settings.load())
    say(f"written: {file}")


@click.command()
@options.onboarding_file
@options.as_json
def plan(file: Path, as_json: bool) -> ExitCode:
    """Show what would change for FILE. Writes nothing. Exit code 0: nothing to do, 2: changes."""
    plan = asyncio.run(_make_plan(load_onboarding(file)))
    say_json(plan.as_json()) if as_json else say_text(as_text(plan.as_json()))
    return ExitCode.CHANGES if plan.changes else ExitCode.DONE


@click.command()
@options.onboarding_file
@click.option("--rotate-credentials", is_flag=True, help="Write the target's credentials again.")
@options.consent
def apply(file: Path, rotate_credentials: bool, **consent: Any) -> ExitCode:
    """Bring the org to what FILE says, as one transaction. Exit code 1: failed and rolled back, 3: half-done."""
    return _change_org(file, rotate_credentials=rotate_credentials, **consent)


@click.command()
@options.onboarding_file
@options.consent
def offboard(file: Path, **consent: Any) -> ExitCode:
    """Remove the webhook, policy and target that FILE names; needs --allow delete and --reason. Recordings stay."""
    return _change_org(file, removal=True, **consent)


@click.command()
@click.argument("file", type=options.PathType(), required=False)
@click.option("--sandbox", "on_sandbox", is_flag=True, help="On a sandbox of its own; without FILE, its example.")
@options.recordings
@options.planted
@options.allow
@options.reason
@options.until
@options.as_json
def onboard(
    file: Path | None, on_sandbox: bool, recordings: int | None, planted: bool, as_json: bool, **consent: Any
) -> None:
    """Walk through all steps for the onboarding in FILE (or the one that OPSLIB_ONBOARDING names)."""
    options.check_recordings(recordings, planted)
    if recordings and not on_sandbox:
        raise click.UsageError("--recordings needs --sandbox: a live org has its own")
    with start_sandbox(recordings=recordings or 0, planted=planted) if on_sandbox else nullcontext() as own:
        if own:
            os.environ.update(own.environment())
        work = _walk_through(file, Consent(**consent), quiet=as_json)
        results = asyncio.run(half_done_if_cancelled(work))
    if as_json:
        say_json({"steps": results})


@click.command()
@click.option("--accept", is_flag=True, help="Keep what was shown to be in the org, where it is not as it was sent.")
@options.allow
@options.reason
@options.until
@options.as_json
def resume(accept: bool, as_json: bool, **consent: Any) -> None:
    """Finish an apply that a crash or a stop left unfinished. The bucket is looked at again first."""
    _recover("accept" if accept else "resume", as_json, Consent(**consent))


@click.command()
@click.option("--overwrite", is_flag=True, help="Also where an object was changed since, as it was shown.")
@options.as_json
def rollback(overwrite: bool, as_json: bool) -> None:
    """Undo an apply that a crash or a stop left unfinished."""
    _recover("overwrite" if overwrite else "rollback", as_json)


@click.command()
@click.argument("folder", type=options.PathType(exists=True, file_okay=False))
@options.as_json
def drift(folder: Path, as_json: bool) -> ExitCode:
    """Plan every *.yaml file in FOLDER. Exit code 0: all as wanted, 2: some drifted, 1: some could not be read."""
    reports: list[dict[str, Any]] = []
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            plan = asyncio.run(_make_plan(load_onboarding(file)))
            reports.append({"file": file.name, "drifted": bool(plan.changes), **plan.as_json()})
        except OpslibError as error:
            reports.append({"file": file.name, "drifted": None, **error.as_json()})
        if not as_json:
            say(_drift_line(reports[-1]))
    if not reports:
        raise InvalidInput(f"No onboarding files in {folder}", cause="no *.yaml or *.yml", fix="name another folder")
    if as_json:
        say_json({"files": reports})
    if any(report["drifted"] is None for report in reports):
        return ExitCode.FAILED
    return ExitCode.CHANGES if any(report["drifted"] for report in reports) else ExitCode.DONE


@click.command()
@click.argument("target_id")
@click.option("--policy", "policy_id", help="The policy's id; by default the only one of the target.")
@click.option("--webhook", "webhook_id", help="The webhook's id; by default the only one of the org.")
@click.option("--out", type=options.PathType(), help="The file to write; by default stdout.")
def export(target_id: str, policy_id: str | None, webhook_id: str | None, out: Path | None) -> None:
    """Write the onboarding file of a target that exists, so that it can be kept from here on.

    On platform TARGET_ID, and the ids of policy and webhook, may be names.
    """
    text = as_yaml(asyncio.run(_adopt(target_id, policy_id, webhook_id)))
    if out is None:
        say_text(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:  # which follows no link either
            file.write(text)
    except FileExistsError:
        raise InvalidInput(f"{out} exists already", cause="it would be overwritten", fix="name another file") from None
    say(f"written: {out}")


def _change_org(
    file: Path,
    *,
    yes: bool,
    checksum: str | None,
    allow: tuple[str, ...],
    reason: str,
    until: date | None,
    as_json: bool,
    **kind: Any,
) -> ExitCode:
    """Plan, approve and apply; without `yes` only plan. `kind` is a removal or a rotation of credentials, see Walk."""
    onboarding = load_onboarding(file)
    if yes:
        consent = Consent(allow=allow, reason=reason, until=until)
        work = _apply(onboarding, checksum, consent, quiet=as_json, **kind)
        plan, applied = asyncio.run(half_done_if_cancelled(work))
    else:
        plan, applied = asyncio.run(half_done_if_cancelled(_make_plan(onboarding, checksum, **kind))), False
    if as_json:
        say_json({**plan.as_json(), "applied": applied})
    elif applied:
        say("done: applied and read back")
    elif yes and plan.changes:
        say(
            "nothing was written to the org: since the plan was made, somebody else has brought the org to what it says"
        )
    else:
        say_text(as_text(plan.as_json()))
        if plan.changes:
            say("nothing was written; add --yes to apply it", err=True)
    return ExitCode.CHANGES if plan.changes and not yes else ExitCode.DONE


async def _make_plan(onboarding: Onboarding, checksum: str | None = None, **kind: Any) -> Plan:
    async with Walk(onboarding, command="plan", **kind) as walk:
        await walk.run("connect")
        await walk.run("plan")
        return _reviewed(walk, checksum)


async def _apply(
    onboarding: Onboarding, checksum: str | None, consent: Consent, *, quiet: bool, **kind: Any
) -> tuple[Plan, bool]:
    """The plan, and whether anything was written: another process may have been first.

    Without a change, too, the bucket is checked and the run noted to its end: an audit shows the last one.
    """
    written = False
    async with Walk(onboarding, **kind) as walk:
        with first_interrupt_stops(walk):
            async for result in walk.in_order(consent, until="apply"):
                if result.step == "plan" and _reviewed(walk, checksum).changes and not quiet:
                    say_text(as_text(result.data))
                written = result.step == "apply" and bool(result.data["changes"])
        return walk.reviewed_plan(), written


def _reviewed(walk: Walk, checksum: str | None) -> Plan:
    """The walk's plan. Raises StalePlan if it has not the checksum that was reviewed."""
    plan = walk.reviewed_plan()
    if checksum and checksum != plan.checksum:
        raise StalePlan(
            "The plan is not the one that was reviewed",
            cause=f"its checksum is {plan.checksum}, and {checksum} was asked for",
            fix="review the plan again; nothing was written to the org",
        )
    return plan


async def _walk_through(file: Path | None, consent: Consent, *, quiet: bool) -> list[dict[str, Any]]:
    """Every step of the walk in order, each told as it ends. Raises the first error."""
    results = []
    async with Walk(load_onboarding(file) if file else None) as walk:
        with first_interrupt_stops(walk):
            async for result in walk.in_order(consent):
                results.append({name: getattr(result, name) for name in ("step", "state", "summary", "data")})
                if not quiet:
                    say(f"{result.state:8} {result.summary}")
                    if result.step == "plan":
                        say_text(textwrap.indent(as_text(result.data), " " * 9))
    return results


def _recover(how: str, as_json: bool, consent: Consent | None = None) -> None:
    said = asyncio.run(half_done_if_cancelled(_run_recovery(how, consent or Consent())))
    say_json({"said": said}) if as_json else say(said)


async def _run_recovery(how: str, consent: Consent) -> str:
    """What was done, in words. Raises HalfDone while something is left to do."""
    try:
        walk = Walk(command=how)
    except LedgerNotProved:
        raise
    except LedgerError as error:  # the disk is still full, say
        settings = Settings.load()
        if not is_left_in(settings.home, settings.api_base):
            raise
        raise _half_done(error) from None
    async with walk:
        walk.consent = consent
        try:
            with first_interrupt_stops(walk):
                return (await walk.run(how)).summary
        except Exception as error:
            if isinstance(error, HalfDone | LedgerNotProved) or walk.unfinished is None:
                raise
            raise _half_done(foreseen(error, f"“opslib {how}”")) from None


def _half_done(error: OpslibError) -> HalfDone:
    """The same error, of an apply that is still unfinished."""
    return HalfDone(
        error.title, cause=error.cause, fix=error.fix, status=error.status, correlation_id=error.correlation_id
    )


def _drift_line(report: dict[str, Any]) -> str:
    if report["drifted"] is None:
        return f"error    {report['file']}: {report['title']}: {report['cause']}"
    changes = ", ".join(f"{change['action']} {change['kind']}" for change in report["changes"])
    return f"drifted  {report['file']}: {changes}" if report["drifted"] else f"as wanted {report['file']}"


async def _adopt(target_id: str, policy_id: str | None, webhook_id: str | None) -> Onboarding:
    """The onboarding of what exists. What Genesys does not know about it is an example, and said on stderr."""
    async with Walk(command="export") as walk:
        await walk.run("connect")
        onboarding = await walk.backend.adopt(target_id, policy_id, webhook_id)
        for warning in walk.backend.warnings(onboarding):
            say(f"⚠ {warning}", err=True)
        for note in walk.backend.notes(onboarding):
            say(f"i {note}", err=True)
        return onboarding
