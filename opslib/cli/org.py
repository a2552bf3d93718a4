"""The org itself: what it serves and allows, and who changed it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from opslib.cli import options
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import say, say_json, say_rows, say_text
from opslib.errors import InvalidInput
from opslib.router.org_changes import OrgChanges, find_org_changes
from opslib.router.render import sentence
from opslib.settings import Settings
from opslib.walk.assumptions import Judged, judge_assumptions
from opslib.walk.doctor import Diagnosis, examine, reach, roles
from opslib.walk.environment import settings_rows
from opslib.walk.right_org import stated_orgs
from opslib.walk.walk import Walk


@click.command(epilog=options.examples("opslib doctor", "opslib doctor --assumptions --out assumptions.json"))
@click.option("--assumptions", is_flag=True, help="Which of the facts that opslib relies on hold in this org?")
@click.option(
    "--out",
    type=options.PathType(),
    help="With --assumptions: the file to send to others; by default in the workspace.",
)
@options.as_json
def doctor(as_json: bool, assumptions: bool = False, out: Path | None = None) -> ExitCode:
    """What the org serves, who we are there and what we may do. Reads only.

    Exit code 0: nothing is FAIL, or "no"; 1: something is, or the org does not answer.
    """
    if assumptions:
        return _judge_assumptions(out, as_json)
    if out:
        options.refuse("--out is for --assumptions")
    diagnosis, settings = asyncio.run(_diagnose())
    rows = [*settings_rows(settings), *diagnosis.rows()]
    if as_json:
        shown = [dict(vars(row)) for row in rows]
        say_json({**diagnosis.as_json(), "settings": settings.sources(), "rows": shown})
    else:
        say_rows(rows)
        for name, permissions in roles(diagnosis.wanted).items():
            say("", f"role {name}:", *(f"  {permission}" for permission in permissions))
    return ExitCode.FAILED if any(row.word == "FAIL" for row in rows) else ExitCode.DONE


def _judge_assumptions(out: Path | None, as_json: bool) -> ExitCode:
    if out and out.exists():
        raise InvalidInput(f"{out} exists already", cause="it would be overwritten", fix="name another file")
    judged, default = asyncio.run(_ask_about_assumptions())
    file = out or default
    judged.write(file)
    if as_json:
        say_json({"assumptions": judged.as_json(), "file": str(file)})
    else:
        say_text(f"{judged.as_text()}\n\n{_ABOUT_ASSUMPTIONS}")
        say(f"written: {file}")
    return ExitCode.FAILED if judged.failed else ExitCode.DONE


async def _ask_about_assumptions() -> tuple[Judged, Path]:
    """The answers, and the file that is written where none is named."""
    async with Walk(command="doctor") as walk:
        await reach(await walk.open_session())
        return await judge_assumptions(walk), walk.settings.home / f"assumptions-{walk.run_id}.json"


_ABOUT_ASSUMPTIONS = """\
These are the assumptions of backend platform; docs/platform.md lists them.
Backend storage-targets has none: it rests on its contract. The file has no
ids, names, addresses or account numbers, so that you can send it to others."""


async def _diagnose() -> tuple[Diagnosis, Settings]:
    async with Walk(command="doctor") as walk:
        session = await walk.open_session()
        await reach(session)
        policy = walk.onboarding.policy if walk.settings.onboarding else None  # an example says nothing
        stated = stated_orgs(walk.onboarding, walk.settings)
        diagnosis = await examine(session.client, session.backends, walk.onboarding.backend, stated, policy)
        return diagnosis, walk.settings


def _not_to_come(_: click.Context, __: click.Parameter, value: datetime | None) -> datetime | None:
    moment = value.replace(tzinfo=UTC) if value else None
    if moment and moment > datetime.now(UTC):
        raise click.BadParameter(f"{value} is in the future (UTC)")
    return moment


@click.command(epilog=options.examples("opslib changes", "opslib changes --since 2026-11-01"))
@click.option(
    "--since",
    type=options.Day(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="TIME",
    callback=_not_to_come,
    help="In UTC, such as 2026-11-01; by default the last look, at most 30 days ago; the first time 7 days ago.",
)
@options.paths
@options.as_json
def changes(since: datetime | None, paths: bool, as_json: bool) -> ExitCode:
    """Who changed targets, policies and feeds in the org? Reads only; what is found goes into the ledger.

    What this workspace's own runs wrote is not listed as somebody's change.
    """
    report = asyncio.run(_find_changes(since))
    if as_json:
        answer = {"since": report.since.isoformat(), "changes": report.changes, "unaudited": report.unaudited}
        say_json({**answer, "left_out": report.left_out, "own": report.own, "own_runs": report.own_runs})
    else:
        _show_changes(report, paths)
    return ExitCode.FAILED if report.failed else ExitCode.DONE


async def _find_changes(since: datetime | None) -> OrgChanges:
    async with Walk(command="changes") as walk:
        await walk.run("connect")
        return await find_org_changes(
            walk.session.client, walk.backend, walk.journal, since, client_id=walk.settings.client_id
        )


def _show_changes(report: OrgChanges, paths: bool) -> None:
    for change in report.changes:
        action = f"{change['action']} {change['kind']} {change['name']}"
        say(f"{change['at']}  {change['source']:10} {action}, by {change['by']}")
        for field in change["fields"]:
            say(f"    {sentence(change['action'], field)}")
            if paths:
                say(f"        {field['path']}")
    say(f"{len(report.changes)} changes by others since {report.since.isoformat(timespec='seconds')}")
    if runs := list(dict.fromkeys([*report.own_runs, *(one["run"] for one in report.own)])):
        say(f"opslib's own work since then, by this workspace's ledger, is not listed: {', '.join(runs)}")
    if report.first:
        say("This is the first look: what is there was noted, and the next one compares with it.")
    if report.left_out:
        say(f"Not all of Genesys's own audit was read: {report.left_out}", err=True)
    if report.unaudited:
        say(f"Genesys's own audit was not read: {report.unaudited}", err=True)
