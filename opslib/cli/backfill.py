"""`opslib archive backfill`: export what never was, behind a plan and its approval."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import date, datetime
from typing import Any, TypeVar

import click

from opslib.archive.backfill_render import plan_as_text, result_as_text, summary, when
from opslib.archive.backfill_result import Backfilled
from opslib.cli import options
from opslib.cli.archive_progress import archive_teller
from opslib.cli.confirm import agreed, can_ask, place
from opslib.cli.exit_codes import ExitCode
from opslib.cli.output import NEXT, say, say_json, say_text
from opslib.errors import HalfDone, LedgerError
from opslib.ledger.workspace import workspace_ledger
from opslib.onboarding.models import Consent
from opslib.settings import Settings
from opslib.walk import backfill as backfills
from opslib.walk.archive_folder import Asking
from opslib.walk.backfill import BackfillQuestion, Review, review_backfill
from opslib.walk.backfill_state import unfinished_backfill
from opslib.walk.consent import options_for

T = TypeVar("T")


@click.command(
    epilog=options.examples(
        "opslib archive backfill",
        "opslib archive backfill --yes --checksum CHECKSUM",
        "opslib archive backfill --export-at 2026-12-01T02:00Z",
    )
)
@click.option("--include-sensitive", is_flag=True, help="Also recordings with payment or personal data; needs --allow.")
@click.option("--export-at", type=options.Moment(), help="When they are exported; by default at once.")
@click.option("--accept", is_flag=True, help="Carry out a job that found more than was approved, as it was shown.")
@click.option("--abandon", is_flag=True, help="Give up the backfill that is unfinished. It deletes nothing.")
@options.consent
def backfill(
    include_sensitive: bool,
    export_at: datetime | None,
    accept: bool,
    abandon: bool,
    yes: bool,
    checksum: str | None,
    allow: tuple[str, ...],
    reason: str,
    until: date | None,
    as_json: bool,
) -> ExitCode:
    """Export the missing recordings that never were, by what `opslib archive why` found.

    Shows the plan and asks first. Without --yes, where nobody can be asked, it only shows the plan. A backfill that was
    stopped goes on when the same command is run again. Exit code 1: recordings could not be exported, 2: not begun, 3:
    something is left to do.
    """
    settings = Settings.load()
    if abandon:
        return _abandon(settings, as_json)
    asked, consent = BackfillQuestion(include_sensitive, export_at), Consent(allow=allow, reason=reason, until=until)
    tell = archive_teller(as_json=as_json)
    if not yes:
        review = asyncio.run(_stopped_as_half_done(review_backfill(settings, asked, progress=tell), settings))
        if not _agreed_to(review, consent, settings, as_json=as_json):
            return _not_begun(review)
        checksum = review.plan.checksum
    show = _show if yes and not as_json else lambda _: None
    work = _carried_out(settings, asked, consent, checksum, accept=accept, show=show, tell=tell)
    plan, done = asyncio.run(_stopped_as_half_done(work, settings))
    if as_json:
        say_json({**plan.plan.as_json(), "done": done.as_json() if done else None})
    elif done:
        say_text(result_as_text(done))
    return ExitCode.DONE if done is None or done.fulfilled else ExitCode.FAILED


async def _carried_out(
    settings: Settings,
    asked: BackfillQuestion,
    consent: Consent,
    checksum: str | None,
    *,
    accept: bool,
    show: Callable[[Review], None],
    tell: Callable[[Asking], None],
) -> tuple[Review, Backfilled | None]:
    """The plan as it was made now, and what came of it."""
    reviews: list[Review] = []

    def shown(review: Review) -> None:
        reviews.append(review)
        show(review)

    done = await backfills.backfill(
        settings, asked, consent=consent, checksum=checksum, accept=accept, show=shown, progress=tell
    )
    return reviews[0], done


def _agreed_to(review: Review, consent: Consent, settings: Settings, *, as_json: bool) -> bool:
    """Show the plan and ask. Nobody is asked about a plan without jobs, one that would be refused, or where nobody can
    be."""
    plan = review.plan
    if as_json:
        say_json({**plan.as_json(), "done": None})
        return False
    _show(review)
    if not review.left and not review.unfinished:
        return False
    if not can_ask(as_json=as_json):
        say("nothing was sent; add --yes to do it", err=True)
        return False
    if not review.unfinished and not all(consent.covers(name, "") for name in plan.unsafe):
        say(f"nothing was sent; what is unsafe (!) needs {options_for(plan.unsafe)}", err=True)
        return False
    will = f"Finish this backfill ({summary(plan)})" if review.unfinished else f"{summary(plan).capitalize()}"
    return agreed(f"{will}, {when(plan)}, to s3://{plan.where.bucket}", place(settings))


def _show(review: Review) -> None:
    say_text(plan_as_text(review.plan))
    if begun := review.unfinished:
        by = begun.approved
        say(f"Unfinished: a backfill that {by.data['user']} began at {by.at}; {review.left} jobs are left to do")
    if review.lacks:
        say(f"! the OAuth client's roles lack {', '.join(review.lacks)}: it would be refused")


def _not_begun(review: Review) -> ExitCode:
    if review.unfinished:
        return ExitCode.HALF_DONE
    return ExitCode.CHANGES if review.left else ExitCode.DONE


def _abandon(settings: Settings, as_json: bool) -> ExitCode:
    left = asyncio.run(backfills.abandon_backfill(settings))
    if as_json:
        say_json({"abandoned": True, "left": left})
        return ExitCode.DONE
    say("done: the backfill is given up; what its jobs exported stays exported")
    if left:
        say(f"jobs that did not end: {', '.join(left)}. One that is READY exports nothing; one that runs goes on")
    say(f"{NEXT}opslib archive verify")
    return ExitCode.DONE


async def _stopped_as_half_done(work: Coroutine[Any, Any, T], settings: Settings) -> T:
    """The result of the work. Raises HalfDone if Ctrl-C stopped a backfill, click.Abort if none was begun."""
    try:
        return await work
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    with suppress(LedgerError):  # then it is not known
        if unfinished_backfill(workspace_ledger(settings), settings.api_base) is None:
            raise click.Abort("Ctrl-C; no backfill was begun")
    raise HalfDone(
        "Stopped in the middle of a backfill",
        cause="jobs that were made go on at Genesys; what is not made yet was not sent",
        fix="run `opslib archive backfill` again: it goes on where it stopped; or give it up with --abandon",
    )
