"""Arguments and options that several commands take. Each is a decorator."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from opslib.ledger.moment import parse_moment
from opslib.onboarding.models import EXCEPTION_DAYS
from opslib.router.unsafe_changes import UNSAFE
from opslib.suggestion import did_you_mean


class PathType(click.Path):
    """A path that is not empty. Of an empty one, as an unset variable leaves it, pathlib makes the current folder."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("the path is empty; write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


class Text(click.ParamType[str]):
    """Text as UTF-8, which is what a ledger and an approval can hold."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if any("\ud800" <= char <= "\udfff" for char in str(value)):  # what Python makes of a byte that is not UTF-8
            self.fail("it is not UTF-8", param, ctx)
        return str(value)


class Named(Text):
    """Text that is not empty. An empty one, as an unset variable leaves it, would mean that nothing was named."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip():
            self.fail("it is empty; leave the option out if that is meant", param, ctx)
        return super().convert(value, param, ctx)


class Choice(click.Choice[str]):
    """One of these names; another one is refused with the name that was probably meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"{super().get_invalid_choice_message(value, ctx)}{did_you_mean(str(value), self.choices)}"


class Moment(click.ParamType[datetime]):
    """ISO 8601 with an offset, or milliseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Day(click.DateTime):
    """A day or a time; the error shows how one is written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            shown = " or ".join(_EXAMPLE_DAY.strftime(form) for form in self.formats)
            self.fail(f"{value!r} is not a date; write it as {shown}", param, ctx)


class UtcMoment(click.ParamType[datetime]):
    """A day, which is its midnight in UTC, or RFC 3339."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                return datetime.fromisoformat(value).replace(tzinfo=UTC)
            if re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
                return parse_moment(value).astimezone(UTC)
        except (ValueError, OverflowError):  # of a day that there is not, or beyond the years that Python counts
            pass
        shown = "2026-01-31 for its midnight in UTC, or 2026-01-31T08:00:00Z"
        self.fail(f"{value!r} is not a time; write {shown}", param, ctx)


_EXAMPLE_DAY = datetime(2026, 11, 1, 13, 30, tzinfo=UTC)


def examples(*lines: str) -> str:
    """What stands below a command's options: lines to copy, each with what it does behind it."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def refuse(words: str) -> NoReturn:
    """Raises UsageError, which points to the help of the running command."""
    click.get_current_context().fail(words)


onboarding_file = click.argument("file", type=PathType())
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

recordings = click.option(
    "--recordings",
    type=click.IntRange(1, 100_000),
    help="Put this many recordings in the bucket once routing to it is on.",
)
planted = click.option(
    "--planted", is_flag=True, help="With --recordings: some are lost, late, empty, without sidecar, misnamed."
)


def check_recordings(recordings: int | None, planted: bool) -> None:
    """Raises UsageError for defects of no recordings."""
    if planted and not recordings:
        refuse("--planted needs --recordings N: defects are planted among recordings")


def _day_to_come(_: click.Context, __: click.Parameter, value: datetime | None) -> date | None:
    if value and value.date() < datetime.now(UTC).date():
        raise click.BadParameter(f"{value.date()} is in the past; an exception ends today (UTC) or later")
    return value.date() if value else None


allow = click.option(
    "--allow",
    multiple=True,
    type=Choice([*UNSAFE]),
    metavar="NAME",
    help=f"Agree to an unsafe change: {', '.join(UNSAFE)}. The audit shows it as an exception.",
)
reason = click.option(
    "--reason", type=Text(), default="", metavar="TEXT", help="Why; needed with --allow, and shown in the audit."
)
until = click.option(
    "--until",
    type=Day(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    callback=_day_to_come,
    help=f"The last day of what --allow agrees to (UTC); by default {EXCEPTION_DAYS} days from now.",
)
anchor_region = click.option(
    "--region", default="us-east-1", envvar="AWS_DEFAULT_REGION", help="Where the anchors' bucket is."
)


approval = click.option(
    "--approval", type=PathType(), metavar="F", help="The approval of just this plan by a second key: `opslib approve`."
)
yes = click.option("--yes", is_flag=True, help="Do it without asking; required where nobody can be asked.")
yes_on_terminal = click.option(
    "--yes", is_flag=True, help="Do it without asking; elsewhere than on a terminal it never asks."
)


def consent(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a command needs whose plan a user agrees to."""
    checksum = click.option("--checksum", type=Named(), help="Apply only the plan with this checksum, as it was shown.")
    return yes(checksum(allow(reason(until(as_json(command))))))


rotate_credentials = click.option("--rotate-credentials", is_flag=True, help="Write the target's credentials again.")
paths = click.option("--paths", is_flag=True, help="Show each field's path in the API, too.")
