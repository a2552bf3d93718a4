"""`opslib resume`, `rollback`: what a crash or a stop left unfinished is finished or undone."""

import asyncio
from collections.abc import Iterator
from typing import Any

import click

from opslib.cli import options
from opslib.cli.confirm import agreed, can_ask, place
from opslib.cli.exit_codes import ExitCode
from opslib.cli.interrupt import first_interrupt_stops, half_done_if_cancelled
from opslib.cli.output import say, say_json
from opslib.errors import HalfDone, LedgerError, LedgerNotProved, OpslibError, foreseen
from opslib.onboarding.models import Consent
from opslib.router.journal import Progress, is_left_in
from opslib.settings import Settings
from opslib.walk.walk import Walk


@click.command(epilog=options.examples("opslib resume", "opslib resume --accept"))
@click.option("--accept", is_flag=True, help="Keep what was shown to be in the org, where it is not as it was sent.")
@options.yes_on_terminal
@options.allow
@options.reason
@options.until
@options.as_json
def resume(accept: bool, yes: bool, as_json: bool, **consent: Any) -> ExitCode:
    """Finish an apply that a crash or a stop left unfinished. Checks the bucket again first.

    On a terminal it asks first. Exit code 3: something is left to do.
    """
    return _recover("accept" if accept else "resume", yes, as_json, Consent(**consent))


@click.command(epilog=options.examples("opslib rollback", "opslib rollback --overwrite"))
@click.option("--overwrite", is_flag=True, help="Also where an object was changed since, as it was shown.")
@options.yes_on_terminal
@options.as_json
def rollback(overwrite: bool, yes: bool, as_json: bool) -> ExitCode:
    """Undo an apply that a crash or a stop left unfinished.

    On a terminal it asks first. Exit code 3: something is left to do.
    """
    return _recover("overwrite" if overwrite else "rollback", yes, as_json)


def _recover(how: str, yes: bool, as_json: bool, consent: Consent | None = None) -> ExitCode:
    walk = _walk_to_recover(how)
    if walk.unfinished and not yes and can_ask(as_json=as_json):
        say(*_unfinished(walk.unfinished))
        if not agreed(_RECOVERIES[how], place(walk.settings)):
            asyncio.run(walk.aclose())
            return ExitCode.HALF_DONE
    said = asyncio.run(half_done_if_cancelled(_run_recovery(walk, how, consent or Consent())))
    if walk.unfinished:
        said += ". Another apply is unfinished, too: run this again"
    say_json({"said": said}) if as_json else say(said)
    return ExitCode.HALF_DONE if walk.unfinished else ExitCode.DONE


_RECOVERIES = {
    "resume": "Finish this apply",
    "accept": "Finish this apply and keep what is there",
    "rollback": "Undo this apply",
    "overwrite": "Undo this apply, over later changes too,",
}


def _unfinished(apply: Progress) -> Iterator[str]:
    """Whose it is, and how far each change came."""
    yield f"Unfinished: an apply that {apply.user} began at {apply.at}, in run {apply.run_id}"
    for number, change in enumerate(apply.plan.changes):
        done = number in apply.done and number not in apply.undone
        state = "done" if done else "begun" if number in apply.to_undo else "not done"
        yield f"    {change.action} {change.kind} {change.name}: {state}"


def _walk_to_recover(how: str) -> Walk:
    """Raises HalfDone where an apply is unfinished, and the ledger cannot be written to end it."""
    try:
        return Walk(command=how)
    except LedgerNotProved:
        raise
    except LedgerError as error:  # the disk is still full, say
        settings = Settings.load()
        if not is_left_in(settings.home, settings.api_base):
            raise
        raise _half_done(error) from None


async def _run_recovery(walk: Walk, how: str, consent: Consent) -> str:
    """What was done, in words. Raises HalfDone while something is left to do."""
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
