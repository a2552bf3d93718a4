"""The card that asks whether every recording arrived: `opslib archive verify`, with a form and pictures."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opslib.archive.listing import Progress
from opslib.archive.report import Verification
from opslib.credentials import usual_keys
from opslib.errors import Defect, InvalidInput, OpslibError
from opslib.ledger.moment import parse_moment
from opslib.onboarding.bucket_name import bucket_name
from opslib.onboarding.values import AwsRegion
from opslib.settings import Settings
from opslib.verdict import Verdict
from opslib.walk.archive import ANALYTICS, ArchiveQuestion, verify_archive
from opslib.walk.archive_folder import Asking
from opslib.walk.walk import Walk
from opslib.widgets.archive_results import at_risk_frame, missing_frame, verification_html
from opslib.widgets.base_card import Card, StepCancelled
from opslib.widgets.form import Form
from opslib.widgets.header import place_line
from opslib.widgets.receipt import Rows, View
from opslib.widgets.status import CardState

if TYPE_CHECKING:
    import pandas as pd

_TITLE = "Verify the archive"
_HELP = (
    "Compares the recordings that should exist with those in the bucket: did each one arrive, how late, and why not? "
    "It reads the bucket and the org, and writes only to the ledger."
)
_NOTHING_CHANGED = "Nothing was changed: a verification only reads."
_STATES: dict[Verdict, CardState] = {"PASS": "done", "WARN": "done", "FAIL": "failed", "UNKNOWN": "unknown"}
_DRAW_EVERY_S = 0.2


def _moment(text: str) -> str:
    if text:
        parse_moment(text)
    return text


def _bucket(name: str) -> str:
    return name and bucket_name(name)


_Moment = Annotated[str, AfterValidator(_moment)]


class ArchiveValues(BaseModel):
    """What the form holds; see `ArchiveQuestion`."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    expected: Annotated[
        str,
        Field(
            title="Expected file",
            description="CSV or Parquet: the recordings that should exist. Or analytics: the org is asked.",
        ),
    ] = ""
    bucket: Annotated[str, AfterValidator(_bucket), Field(description="The bucket that they should be in.")] = ""
    prefix: Annotated[str, Field(description="Only below this folder; empty for the whole bucket.")] = ""
    region: Annotated[AwsRegion, Field(title="AWS region", description="Where the bucket is.")] = "us-east-1"
    inventory: Annotated[
        str,
        Field(
            title="Inventory manifest",
            description="Reads this S3 Inventory (manifest.json: a path or s3://…) instead of listing the bucket.",
        ),
    ] = ""
    since: Annotated[
        _Moment, Field(description="Judges conversations that ended from this time on, such as 2026-01-31T00:00:00Z.")
    ] = ""
    until: Annotated[_Moment, Field(description="Judges conversations that ended before this time.")] = ""
    within_hours: Annotated[
        float, Field(title="Late after (hours)", gt=0, allow_inf_nan=False, description="Later than this is late.")
    ] = 24

    def lacks(self) -> list[str]:
        """What cannot be done without."""
        needed = {"name the expected file": self.expected, "name the bucket": self.bucket}
        if self.expected == ANALYTICS:
            needed["name the time since which analytics is asked"] = self.since
        return [words for words, value in needed.items() if not value]

    def question(self) -> ArchiveQuestion:
        since, until = (parse_moment(text) if text else None for text in (self.since, self.until))
        return ArchiveQuestion(
            expected=ANALYTICS if self.expected == ANALYTICS else Path(self.expected).expanduser(),
            bucket=self.bucket,
            prefix=self.prefix,
            region=self.region,
            inventory=self.inventory,
            since=since,
            until=until,
            within_hours=self.within_hours,
        )


class ArchiveCard(Card[Verification]):
    """One verification at a time, as a widget with a static receipt. `found` is its answer, once there is one.

    The form begins with `values`.
    """

    _CANCELLED = "it was stopped before it finished; what was read of the bucket is kept"

    @classmethod
    def of(cls, walk: Walk, *, expected: str | Path = "") -> Self:
        """A card for the place that the walk's onboarding routes recordings to."""
        return cls(ArchiveValues(expected=str(expected), **_place(walk)), walk.settings)

    def __init__(self, values: ArchiveValues | None = None, settings: Settings | None = None) -> None:
        self._settings = settings
        self._values = values or ArchiveValues()
        self.found: Verification | None = None
        self._answered: ArchiveValues | None = None  # what was asked, when `found` was found
        self._written: tuple[Verification | None, str] = (None, "")
        self._running = self._stopping = False
        self._so_far: Progress | Asking | None = None
        self._draws_soon = False
        # How the last run ended without an answer: refused, cancelled, or failed.
        self._notice: OpslibError | None = None
        self._noticed_in: object = None
        self.form = Form(ArchiveValues, lambda: self._values, self._take)
        super().__init__(_TITLE, _HELP, lambda: "Verify archive", self.form.widget)
        self.frame.above(place_line(live=not self._is_local()))
        self.form.on_change.append(self._changed)
        self._changed()

    def cancel(self) -> None:
        """Stop the verification if it is running. What was read is kept, and the next run goes on there."""
        if self._running and not self._stopping and self._task:
            self._stopping = True
            self._task.cancel()
            self._changed()

    def _is_local(self) -> bool:
        return (self._settings or Settings.load()).is_local

    @property
    def at_risk(self) -> "pd.DataFrame":
        """What is missing and soon deleted in Genesys, soonest first; without rows where no org was asked."""
        return at_risk_frame(self.found)

    @property
    def missing(self) -> "pd.DataFrame":
        """The first missing recordings; without rows while there is no answer."""
        return missing_frame(self.found)

    async def _work(self) -> Verification:
        self.found = self._notice = self._so_far = None
        if reasons := self._reasons():
            raise InvalidInput(
                f"“{_TITLE}” cannot run yet",
                cause="; ".join(reasons),
                fix="correct the fields named; nothing was sent",
            )
        self._running, self._answered = True, self._values
        self._loop = asyncio.get_running_loop()
        self._changed()
        try:
            keys = await asyncio.to_thread(usual_keys)
            return await verify_archive(self._values.question(), keys, self._settings, progress=self._tell)
        except asyncio.CancelledError:
            if self._stopping and (own := asyncio.current_task()):
                own.uncancel()
            raise

    def _ended(self, outcome: Verification | OpslibError) -> None:
        self._running = self._stopping = False
        if isinstance(outcome, OpslibError):
            self._notice, self._noticed_in = outcome, self._situation()
        else:
            self.found = outcome
        self._changed()

    def _tell(self, so_far: Progress | Asking) -> None:
        """Called in another thread, for each folder: so the card is drawn once in a while."""
        self._so_far = so_far
        if not self._draws_soon:
            self._draws_soon = True
            self._loop.call_soon_threadsafe(self._loop.call_later, _DRAW_EVERY_S, self._draw_progress)

    def _draw_progress(self) -> None:
        self._draws_soon = False
        if self._running:
            self._redraw()

    def _take(self, values: ArchiveValues) -> None:
        self._values = values

    def _situation(self) -> object:
        return self._values, tuple(self.form.problems)

    def _reasons(self) -> Sequence[str]:
        return [*self.form.problems, *self._values.lacks()]

    def _sync(self) -> None:
        if self._notice and self._noticed_in != self._situation():
            self._notice = None

    def _view(self, *, measured: bool = False) -> View:
        reasons = self._reasons()
        view = View(
            title=_TITLE,
            about=_HELP,
            state="waiting" if reasons else "ready",
            reasons=() if self._running else reasons,
            inputs=_without_folders(self.form.rows()),
        )
        if self._running:
            return self._while_running(view)
        if self._notice:
            return self._noticed(view, self._notice)
        return self._answer(view, self.found, measured=measured) if self.found else view

    def _while_running(self, view: View) -> View:
        so_far = self._so_far
        words = "stopping" if self._stopping else so_far.words if so_far else "reading the expected file"
        return replace(view, state="running", summary=words, progress=(so_far.done, so_far.known) if so_far else None)

    def _noticed(self, view: View, notice: OpslibError) -> View:
        if isinstance(notice, StepCancelled):
            words = "stopped before it finished; what was read of the bucket is kept, and the next run goes on there"
            return replace(view, state="cancelled", summary=words, changes=[_NOTHING_CHANGED])
        trace = notice.trace if isinstance(notice, Defect) else ""
        view = replace(view, error=notice, trace=trace, changes=[_NOTHING_CHANGED])
        return view if view.reasons else replace(view, state="failed", summary=notice.title)

    def _answer(self, view: View, found: Verification, *, measured: bool) -> View:
        if self._written[0] is not found:  # it holds charts, and a card is redrawn at every edit
            self._written = found, verification_html(found)
        due = found.counts["arrived"] + found.counts["missing"]
        summary = f"{found.verdict}: {found.counts['arrived']:,} of {due:,} recordings that were due arrived"
        view = replace(view, state=_STATES[found.verdict], summary=summary, result=self._written[1])
        if self._answered != self._values:
            return replace(view, state="stale", summary=f"an input has changed since. Before: {summary}")
        return view


def _place(walk: Walk) -> dict[str, str]:
    """Where Genesys writes, as the check of the bucket found out; which folder that is depends on the API. Before that
    check, the whole bucket."""
    target, checked = walk.onboarding.target, walk.result("validate_bucket")
    report = checked.data if checked else {}
    prefix = report.get("prefix") if report.get("bucket") == target.bucket else None
    return {"bucket": target.bucket, "region": target.region, "prefix": prefix or ""}


def _without_folders(rows: Rows) -> Rows:
    """Of a file only its name: a receipt is the same on every machine."""
    files = {"Expected file", "Inventory manifest"}
    return [(label, Path(value).name if label in files and "://" not in value else value) for label, value in rows]
