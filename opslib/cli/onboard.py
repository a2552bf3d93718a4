"""What the larger commands of `opslib` do: the walk's steps, in a terminal, with exit codes."""

import asyncio
import json
import signal
import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import click

from opslib.errors import HalfDone, InvalidInput, OpslibError, StalePlan
from opslib.ledger.ledger import Ledger
from opslib.onboarding.file import as_yaml, load_onboarding
from opslib.onboarding.models import Consent, Onboarding
from opslib.router.journal import unfinished_apply
from opslib.router.org_changes import OrgChanges, find_org_changes
from opslib.router.plan import Plan
from opslib.router.render import as_text, show
from opslib.settings import Settings
from opslib.walk.doctor import Diagnosis, examine, roles
from opslib.walk.steps import RECOVERY, STEPS
from opslib.walk.walk import Walk

DONE, FAILED, CHANGES, HALF_DONE = 0, 1, 2, 3


def plan_file(file: Path, *, as_json: bool) -> int:
    """Show the plan; 0 nothing to do, 2 changes."""
    plan = asyncio.run(_plan(load_onboarding(file)))
    click.echo(json.dumps(plan.as_json()) if as_json else as_text(plan.as_json()))
    return CHANGES if plan.changes else DONE


def apply_file(
    file: Path,
    *,
    yes: bool,
    checksum: str | None,
    allow: tuple[str, ...],
    reason: str,
    as_json: bool,
    rotate_credentials: bool = False,
    removal: bool = False,
) -> int:
    """Plan, approve and apply; without `yes` only the plan is shown (exit code as `plan_file`)."""

    onboarding = load_onboarding(file)

    async def run() -> tuple[Plan, bool]:
        if not yes:
            plan = await _plan(onboarding, removal=removal, rotate_credentials=rotate_credentials)
            _refuse_another(plan, checksum)
            return plan, False
        async with Walk(onboarding, removal=removal, rotate_credentials=rotate_credentials) as walk:
            # Without a change, too, the bucket is checked and the run noted to its end: an audit shows the last one.
            with _first_interrupt_stops(walk):
                async for result in walk.in_order(Consent(allow=allow, reason=reason), until="apply"):
                    if result.step == "plan":
                        _refuse_another(walk.reviewed_plan(), checksum)
                        if walk.reviewed_plan().changes and not as_json:
                            click.echo(as_text(result.data))
            return walk.reviewed_plan(), bool(walk.reviewed_plan().changes)

    plan, applied = asyncio.run(_half_done_if_cancelled(run()))
    if as_json:
        click.echo(json.dumps({**plan.as_json(), "applied": applied}))
    elif applied:
        click.echo("done: applied and read back")
    else:
        click.echo(as_text(plan.as_json()))
    if not applied and plan.changes and not as_json:
        click.echo("nothing was written; add --yes to apply it", err=True)
    return DONE if applied or not plan.changes else CHANGES


def onboard(file: Path | None, *, allow: tuple[str, ...], reason: str, quiet: bool) -> list[dict[str, Any]]:
    """Every step of the walk in order; each result as {step, state, summary, data}. Raises the first error."""

    async def run() -> list[dict[str, Any]]:
        done = []
        async with Walk(load_onboarding(file) if file else None) as walk:
            with _first_interrupt_stops(walk):
                async for result in walk.in_order(Consent(allow=allow, reason=reason)):
                    done.append(
                        {"step": result.step, "state": result.state, "summary": result.summary, "data": result.data}
                    )
                    if not quiet:
                        click.echo(f"{result.state:8} {result.summary}")
                        if result.step == "plan":
                            click.echo(textwrap.indent(as_text(result.data), " " * 9))
        return done

    return cast(list[dict[str, Any]], asyncio.run(_half_done_if_cancelled(run())))


def recover(how: Literal["resume", "rollback"], *, as_json: bool) -> int:
    """Finish or undo an unfinished apply; 3 while something is left to do."""

    async def run() -> str:
        async with Walk(command=how) as walk:
            try:
                with _first_interrupt_stops(walk):
                    return (await walk.run(how)).summary
            except OpslibError as error:
                if isinstance(error, HalfDone) or walk.unfinished is None:
                    raise
                raise HalfDone(
                    error.title,
                    cause=error.cause,
                    fix=error.fix,
                    status=error.status,
                    correlation_id=error.correlation_id,
                ) from None

    said = asyncio.run(_half_done_if_cancelled(run()))
    click.echo(json.dumps({"said": said}) if as_json else said)
    return DONE


def drift_folder(folder: Path, *, as_json: bool) -> int:
    """Plan each file; 0 none drifted, 2 some did, 1 some could not be planned."""
    found: list[dict[str, Any]] = []
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            plan = asyncio.run(_plan(load_onboarding(file)))
            found.append({"file": file.name, "drifted": bool(plan.changes), **plan.as_json()})
        except OpslibError as error:
            found.append({"file": file.name, "drifted": None, **error.as_json()})
        if not as_json:
            click.echo(_drift_line(found[-1]))
    if not found:
        raise InvalidInput(f"No onboarding files in {folder}", cause="no *.yaml or *.yml", fix="name another folder")
    if as_json:
        click.echo(json.dumps({"files": found}))
    if any(one["drifted"] is None for one in found):
        return FAILED
    return CHANGES if any(one["drifted"] for one in found) else DONE


def export_target(target_id: str, policy_id: str | None, webhook_id: str | None, out: Path | None) -> None:
    """Write the onboarding file of what exists."""

    async def run() -> Onboarding:
        async with Walk(command="export") as walk:
            await walk.run("connect")
            found = await walk.backend.adopt(target_id, policy_id, webhook_id)
            for note in walk.backend.notes(found):  # what Genesys does not know stands in the file as an example
                click.echo(f"i {note}", err=True)
            return found

    text = as_yaml(asyncio.run(run()))
    if out is None:
        click.echo(text, nl=False)
        return
    if out.exists():
        raise InvalidInput(f"{out} exists already", cause="it would be overwritten", fix="name another file")
    out.write_text(text, encoding="utf-8")
    click.echo(f"written: {out}")


def org_changes(since: datetime | None, *, as_json: bool) -> int:
    """Say who changed what, and note it; 0 also when nothing was changed, 1 when the org's audit could not be read."""

    async def run() -> OrgChanges:
        async with Walk(command="changes") as walk:
            await walk.run("connect")
            return await find_org_changes(walk.session.client, walk.backend, walk.journal, since)

    found = asyncio.run(run())
    if as_json:
        click.echo(
            json.dumps({"since": found.since.isoformat(), "changes": found.changes, "unaudited": found.unaudited})
        )
    else:
        for one in found.changes:
            click.echo(f"{one['at']}  {one['source']:10} {one['action']} {one['kind']} {one['name']}, by {one['by']}")
            for field in one["fields"]:
                click.echo(f"    {field['path']}: {show(field['before'])} → {show(field['after'])}")
        click.echo(f"{len(found.changes)} changes since {found.since.isoformat(timespec='seconds')}")
        if found.first:
            click.echo("This is the first look: what is there was noted, and the next one compares with it.")
        if found.unaudited:
            click.echo(f"Genesys's own audit was not read: {found.unaudited}", err=True)
    return FAILED if found.failed else DONE


def doctor(*, as_json: bool) -> int:
    """Say what the org answers about itself and us; 0 when nothing is FAIL."""

    async def run() -> Diagnosis:
        async with Walk(command="doctor") as walk:
            session = await walk.open_session()
            await session.auth.get_access_token()
            return await examine(session.client, session.backends, walk.onboarding.backend)

    found = asyncio.run(run())
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        for row in found.rows():
            click.echo(f"{row.word:8} {row.question}: {row.found}{f'. Fix: {row.fix}' if row.fix else ''}")
        for name, permissions in roles(found.wanted).items():
            click.echo(f"\nrole {name}:\n" + textwrap.indent("\n".join(permissions), "  "))
    return FAILED if any(row.word == "FAIL" for row in found.rows()) else DONE


async def _plan(onboarding: Onboarding, *, removal: bool = False, rotate_credentials: bool = False) -> Plan:
    async with Walk(onboarding, command="plan", removal=removal, rotate_credentials=rotate_credentials) as walk:
        await walk.run("connect")
        await walk.run("plan")
        return walk.reviewed_plan()


def _refuse_another(plan: Plan, checksum: str | None) -> None:
    if checksum and checksum != plan.checksum:
        raise StalePlan(
            "The plan is not the one that was reviewed",
            cause=f"its checksum is {plan.checksum}, and {checksum} was asked for",
            fix="review the plan again; nothing was written",
        )


def _drift_line(one: dict[str, Any]) -> str:
    if one["drifted"] is None:
        return f"error    {one['file']}: {one['title']}: {one['cause']}"
    changes = ", ".join(f"{change['action']} {change['kind']}" for change in one["changes"])
    return f"drifted  {one['file']}: {changes}" if one["drifted"] else f"as wanted {one['file']}"


class _first_interrupt_stops:
    """While it lasts, the first Ctrl-C lets the change in flight finish; the second cancels."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._task = asyncio.current_task()

    def __enter__(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupted)

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def _interrupted(self) -> None:
        if self._walk.applier and not self._walk.applier.stopping:
            self._walk.applier.stop()
            click.echo("stopping after the change in flight; Ctrl-C again to cancel it", err=True)
        elif self._task:
            for name in (*STEPS, *RECOVERY):
                self._walk.cancel(name)
            self._task.cancel()


async def _half_done_if_cancelled(work: Any) -> Any:
    try:
        return await work
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    settings = Settings.load()
    if unfinished_apply(Ledger(settings.home), settings.api_base) is None:
        raise click.Abort("Ctrl-C; no change was under way")
    raise HalfDone(
        "Cancelled in the middle of a change",
        cause="whether the change in flight took effect is not known",
        fix="run `opslib resume` to go on or `opslib rollback` to undo it",
    )
