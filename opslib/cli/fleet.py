"""`opslib fleet`, `opslib drift`: a folder of onboarding files, planned and applied together."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from opslib.cli import options
from opslib.cli.confirm import agreed, can_ask, place
from opslib.cli.exit_codes import ExitCode
from opslib.cli.fleet_progress import fleet_stops, progress_told
from opslib.cli.output import NEXT, say, say_json
from opslib.errors import OpslibError
from opslib.onboarding.models import Consent
from opslib.router.plan import Plan
from opslib.router.unsafe_changes import UNSAFE
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_orgs import AT_ONCE, IN_ALL
from opslib.walk.fleet_plan import MAX_DELETIONS_PERCENT, STOP_AFTER_FAILURES, FleetPlan, FleetRow, Limits
from opslib.walk.fleet_result import FleetResult, Outcome

T = TypeVar("T")

_FILES_SHOWN = 10
_WORDS: dict[Outcome, str] = {
    "rolled_back": "failed and rolled back",
    "half_done": "left half-done",
    "refused": "refused, nothing was written",
    "not_started": "not started",
}


@click.command(
    epilog=options.examples(
        "opslib fleet onboardings/",
        "opslib fleet onboardings/ --yes --checksum CHECKSUM",
        'opslib fleet onboardings/ --yes --allow shorter-retention --reason "agreed"',
    )
)
@click.argument("folder", type=options.PathType(exists=True, file_okay=False))
@click.option(
    "--at-once",
    type=click.IntRange(1, 100),
    default=AT_ONCE,
    show_default=True,
    help=f"How many onboardings of one org are at work at once; {IN_ALL} of all orgs.",
)
@click.option(
    "--stop-after-failures",
    type=click.IntRange(min=1),
    default=STOP_AFTER_FAILURES,
    show_default=True,
    help="Begin no other onboarding once so many were rolled back or left half-done.",
)
@click.option(
    "--max-deletions",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    default=MAX_DELETIONS_PERCENT,
    show_default=True,
    help="Apply nothing where more of the objects would be deleted or switched off.",
)
@options.consent
def fleet(
    folder: Path,
    at_once: int,
    stop_after_failures: int,
    max_deletions: float,
    *,
    yes: bool,
    checksum: str | None,
    allow: tuple[str, ...],
    reason: str,
    until: date | None,
    as_json: bool,
) -> ExitCode:
    """Bring every onboarding file in FOLDER to its org, each as one transaction.

    Shows all plans and asks; without --yes, and not on a terminal, it only shows them (exit code 0: nothing to do,
    2: changes, 1: an error). First it finishes what an earlier call was killed in. Exit code 0: all are done, 1: some
    failed and were rolled back, 3: something is half-done.
    """
    limits = Limits(stop_after_failures, max_deletions)
    work = Fleet(folder, at_once=at_once, limits=limits)
    consent = Consent(allow=allow, reason=reason, until=until)
    with asyncio.Runner() as runner:
        try:
            if yes or _may_recover(runner.run(work.unfinished()), as_json=as_json):
                runner.run(_shown(work, work.recover(), as_json=as_json))
            plan = runner.run(_shown(work, work.make_plan(), as_json=as_json))
            if not as_json:
                _say_plan(plan)
            if not yes and not _agreed_to(work, plan, as_json=as_json):
                if as_json:
                    say_json(plan.as_json())
                return _code_of(plan)
            result = runner.run(_applied(work, plan, consent, checksum or "", as_json=as_json))
        finally:
            runner.run(work.aclose())
    if as_json:
        say_json(result.as_json())
    else:
        _say_result(result)
    return ExitCode.HALF_DONE if result.half_done else ExitCode.FAILED if result.failed else ExitCode.DONE


@click.command(epilog=options.examples("opslib drift targets/"))
@click.argument("folder", type=options.PathType(exists=True, file_okay=False))
@options.as_json
def drift(folder: Path, as_json: bool) -> ExitCode:
    """Plan every *.yaml file in FOLDER. Exit code 0: all as wanted, 2: some drifted, 1: some could not be read."""
    reports: list[dict[str, Any]] = []

    def keep(row: FleetRow, plan: Plan | None) -> None:
        said = plan.as_json() if plan else row.error.as_json() if row.error else {}
        reports.append({"file": row.file, "drifted": bool(plan.changes) if plan else None, **said})

    async def look() -> FleetPlan:
        async with Fleet(folder, command="drift", writes=False) as work:
            return await _shown(work, work.make_plan(keep), as_json=as_json)

    plan = asyncio.run(look())
    reports.sort(key=lambda report: str(report["file"]))
    if as_json:
        say_json({"files": reports})
    else:
        say(*map(_drift_line, reports))
    return _code_of(plan)


async def _shown(work: Fleet, doing: Coroutine[Any, Any, T], *, as_json: bool) -> T:
    async with progress_told(work, quiet=as_json):
        return await doing


async def _applied(work: Fleet, plan: FleetPlan, consent: Consent, checksum: str, *, as_json: bool) -> FleetResult:
    with fleet_stops(work):
        return await _shown(work, work.apply(plan, consent, checksum=checksum), as_json=as_json)


def _may_recover(files: Sequence[str], *, as_json: bool) -> bool:
    if not files or not can_ask(as_json=as_json):
        return False
    return agreed(f"Finish what was left half-done ({_some(files)})", "first")


def _agreed_to(work: Fleet, plan: FleetPlan, *, as_json: bool) -> bool:
    if not plan.changed:
        return False
    if not can_ask(as_json=as_json):
        if not as_json:
            say("nothing was written; add --yes to apply it", err=True)
        return False
    changes = sum(len(row.changes) for row in plan.changed)
    return agreed(f"Apply {changes} changes of {len(plan.changed)} onboardings", ", ".join(map(place, work.orgs)))


def _code_of(plan: FleetPlan) -> ExitCode:
    if plan.refused:
        return ExitCode.FAILED
    return ExitCode.CHANGES if plan.changed else ExitCode.DONE


def _say_plan(plan: FleetPlan) -> None:
    say(*(line for row in plan.rows for line in _plan_lines(row)))
    told = plan.as_json()
    say(
        f"{len(plan.rows)} onboardings: {told['changed']} to change, {told['unchanged']} as wanted, "
        f"{told['refused']} cannot be planned",
        f"checksum {plan.checksum}",
    )


def _plan_lines(row: FleetRow) -> Iterator[str]:
    if row.error:
        yield f"error    {row.file}: {row.error.title}: {row.error.cause}"
    elif row.changes:
        changes = ", ".join(f"{change.action} {change.kind} {change.name}" for change in row.changes)
        yield f"{'!' if row.unsafe else '~':8} {row.file}: {changes}"
        for name in row.unsafe:
            yield f"         unsafe: {name}: {UNSAFE[name]}"


def _say_result(result: FleetResult) -> None:
    unchanged = result.outcomes.get("unchanged", 0)
    say(f"done     {result.done} of {len(result.targets)} onboardings, {unchanged} of them without a change")
    for error, files in result.by_cause():
        outcome = next(target.outcome for target in result.targets if target.file == files[0])
        say(f"failed   {len(files)} {_WORDS.get(outcome, outcome)}: {_some(files)}", *_why(error))
    if left := result.outcomes.get("not_started", 0):
        say(f"unknown  {left} not started: {result.stopped}", f"{NEXT}opslib fleet, again, goes on with these")
    limited = f", {result.rate_limited} of them answered with 429" if result.rate_limited else ""
    say(f"{result.attempts} requests to Genesys{limited}, in {result.elapsed_s:.0f} s")


def _why(error: OpslibError) -> Iterator[str]:
    yield f"         {error.title}"
    yield f"         Cause: {error.cause}"
    yield f"         Fix: {error.fix}"
    if error.correlation_id:
        yield f"         Correlation id: {error.correlation_id}"


def _some(files: Sequence[str]) -> str:
    more = f" and {len(files) - _FILES_SHOWN} more" if len(files) > _FILES_SHOWN else ""
    return ", ".join(files[:_FILES_SHOWN]) + more


def _drift_line(report: dict[str, Any]) -> str:
    if report["drifted"] is None:
        return f"error    {report['file']}: {report['title']}: {report['cause']}"
    changes = ", ".join(f"{change['action']} {change['kind']}" for change in report["changes"])
    return f"drifted  {report['file']}: {changes}" if report["drifted"] else f"as wanted {report['file']}"
