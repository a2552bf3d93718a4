from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from opslib.errors import HalfDone, LedgerError, OpslibError
from opslib.onboarding.models import Consent
from opslib.walk.context import WalkContext
from opslib.walk.state_machine import Result
from opslib.walk.steps import CHANGING, RECOVERY, STEPS

if TYPE_CHECKING:
    import pandas as pd


# A removal has no event to wait for, and no routing to report; neither has an undo.
_REMOVAL = ("connect", "validate_bucket", "plan", "approve", "apply")


class Walk(WalkContext):
    """One onboarding, step by step, or all steps in order. See `WalkContext` for its arguments."""

    steps = STEPS | RECOVERY

    @property
    def order(self) -> tuple[str, ...]:
        """The steps that it goes through, in order; those of a removal or an undo are fewer."""
        return _REMOVAL if self.removal or self.undo else tuple(STEPS)

    async def run_all(self, consent: Consent | None = None) -> list[Result]:
        """Every step in order; see `in_order`."""
        return [result async for result in self.in_order(consent)]

    async def in_order(self, consent: Consent | None = None, *, until: str = "report") -> AsyncIterator[Result]:
        """Run the steps in order, up to and including `until`, and yield each result.

        `consent` applies to the plan that is made on the way. A bucket that fails its validation does not end the walk
        at once: `approve` refuses it, unless the consent allows it with a reason. Raises the first other error.
        """
        for name in self.order:
            if name == "approve" and consent:
                self.consent = consent
            yield await self._run_or_leave_to_approve(name)
            if name == until:
                return

    async def _run_or_leave_to_approve(self, name: str) -> Result:
        try:
            return await self.run(name)
        except OpslibError:
            failed = self.result(name)
            if name != "validate_bucket" or failed is None:
                raise
            return failed

    def samples(self) -> "pd.DataFrame":
        """One row for each HTTP attempt of this walk to Genesys, by step and operation.

        Columns: see `opslib.samples_frame`. Reads of the data lake are left out: they go to the sandbox or to AWS.
        """
        frame = self.journal.ledger.samples_frame(self.run_id).query("operation != 'read_catalogue'")
        place = {name: at for at, name in enumerate(self.steps)}
        # By operation within a step: a plan's reads are sent all at once.
        by_operation = frame.sort_values(["operation", "started_at"])
        return by_operation.sort_values("step", key=lambda step: step.map(place), kind="stable", ignore_index=True)

    def cancel(self, name: str) -> None:
        """Stop a running step. What it had sent stays sent; the ledger says that it was cancelled.

        Changes are not torn apart: the one in flight is finished first. A second call ends it at once.
        """
        if self.applier and not self.applier.stopping and self.state(name) == "running" and name in CHANGING:
            self.applier.stop()
        else:
            super().cancel(name)

    def _note(self, result: Result) -> None:
        """Raises HalfDone when the org was changed and the ledger does not take the end of the step."""
        try:
            super()._note(result)
        except LedgerError as error:
            if result.error or not result.data.get("changes"):
                raise
            raise HalfDone(
                "The step is not noted as done",
                cause=f"{result.summary}. {error.title}: {error.cause}",
                fix="remove the cause, then run this again: it finds nothing left to change, and notes that",
            ) from None

    def blockers(self, name: str) -> list[str]:
        """Why a step cannot run yet. While changes are made or undone, what they rest on stays as it is."""
        running = [step for step in CHANGING if step in self._tasks] if name in ("connect", "plan", *CHANGING) else ()
        return [*(f"“{self.steps[step].title}” is running" for step in running), *super().blockers(name)]
