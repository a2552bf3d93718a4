"""The card of a backfill: the first press plans, the second does just what was shown. Its coroutines are tested in
`walk/test_backfill.py`; here they answer what a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest

from opslib.archive.backfill_plan import BackfillPlan, Job, LeftOut, Wanted, Where
from opslib.archive.backfill_result import Backfilled, EndedJob, FailedRecording
from opslib.errors import StalePlan
from opslib.settings import Settings
from opslib.walk.archive_folder import Asking
from opslib.walk.backfill import Review
from opslib.widgets.backfill_card import BackfillCard
from opslib.widgets.base_card import StepCancelled

from .conftest import everything

PLAN = BackfillPlan(
    where=Where(api="https://api.mypurecloud.de", integration_id="i", integration="Lake", bucket="a-bucket"),
    verification={"entry": 1, "at": "2026-02-09T00:00:00.000Z", "bucket": "a-bucket", "prefix": ""},
    sensitive=False,
    export_at_ms=None,
    jobs=(Job(start_ms=0, end_ms=1, conversations=("c",), recordings=2, screens=False, snippets=False),),
    wanted=(Wanted(recording_id="r-<1>", conversation_id="c", delete_at_ms=2_000_000_000_000),),
    beside=(Wanted(recording_id="r-2", conversation_id="c", delete_at_ms=None),),
    left_out=(LeftOut(id="r-3", why="Genesys says that it is DELETED"),),
    asked_at_ms=0,
)
JOB = EndedJob(1, "j", "FULFILLED", 2, 0, 2, "")


class Answers:
    """What the two coroutines answer, and what they were asked."""

    def __init__(self) -> None:
        self.plan, self.done = PLAN, Backfilled(7, PLAN.checksum, 2, [JOB])
        self.asked: list[str | None] = []
        self.work: Callable[[Callable[[Asking], None]], Awaitable[None]] | None = None

    async def review(self, *_: Any, progress: Any, **__: Any) -> Review:
        return Review(self.plan)

    async def carry_out(self, *_: Any, checksum: str, progress: Any, **__: Any) -> Backfilled:
        self.asked.append(checksum)
        if checksum != self.plan.checksum:
            raise StalePlan("The plan is not the one that was reviewed", cause="c", fix="f")
        if self.work:
            await self.work(progress)
        return self.done


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    answers = Answers()
    monkeypatch.setattr("opslib.widgets.backfill_card.review_backfill", answers.review)
    monkeypatch.setattr("opslib.widgets.backfill_card.backfill", answers.carry_out)
    return answers


@pytest.fixture
def card(answers: Answers, tmp_path: Path) -> BackfillCard:
    return BackfillCard(Settings(home=tmp_path))


def lines(card: BackfillCard) -> str:
    return "\n".join(one.value for one in everything(card.widget) if isinstance(one, w.HTML))


async def test_the_second_press_does_just_what_the_first_one_showed(card: BackfillCard, answers: Answers) -> None:
    """And says so on its button. The receipt has no time of this run, so two runs have the same."""
    assert (card.state, card.run_button.description) == ("ready", "Plan the export")
    await card.click()
    assert (card.state, answers.asked) == ("ready", [])
    assert card.run_button.description == "Export 1 recording to a-bucket"
    for shown in (card.receipt(), lines(card)):
        assert "export 1 never exported recording of 1 conversation, at once; nothing was sent yet" in shown
        assert "r-3" in shown
        assert "a job takes whole conversations: 1 more." in shown
    assert PLAN.checksum in lines(card)
    assert "r-&lt;1&gt;" in lines(card)
    assert PLAN.checksum not in card.receipt()
    await card.click()
    assert (card.state, answers.asked) == ("done", [PLAN.checksum])
    assert "export dates are set for 2 of 2 recordings" in card.receipt()
    assert "opslib archive verify" in lines(card)
    assert card.run_button.description == "Plan the export again"


async def test_a_plan_that_changed_is_not_carried_out(card: BackfillCard, answers: Answers) -> None:
    """The next press plans again."""
    await card.click()
    answers.plan = PLAN.model_copy(update={"beside": ()})
    with pytest.raises(StalePlan):
        await card.click()
    assert card.state == "failed"
    await card.click()
    assert (await card.click(), card.state) == (answers.done, "done")


async def test_nothing_to_export_is_done(card: BackfillCard, answers: Answers) -> None:
    answers.plan = PLAN.model_copy(update={"jobs": (), "wanted": ()})
    await card.click()
    assert (card.state, card.plan) == ("done", None)
    assert "nothing to do" in lines(card)


async def test_what_failed_is_listed(card: BackfillCard, answers: Answers) -> None:
    failed = EndedJob(1, "j", "FAILED", 1, 0, 0, "because", (FailedRecording("c", "r-<1>"),))
    answers.done = Backfilled(7, PLAN.checksum, 2, [failed])
    await card.click()
    await card.click()
    assert card.state == "failed"
    for shown in (card.receipt(), lines(card)):
        assert "r-&lt;1&gt;" in shown
        assert "1 fewer than planned" in shown


async def test_cancel_says_that_it_can_go_on(card: BackfillCard, answers: Answers) -> None:
    """While it works, it says what it waits for."""
    at_work = asyncio.Event()

    async def wait(progress: Callable[[Asking], None]) -> None:
        progress(Asking("job j is PENDING, 0 %; export jobs done", 0, 1))
        at_work.set()
        await asyncio.Event().wait()

    answers.work = wait
    await card.click()
    card.run_button.click()
    await at_work.wait()
    assert card.state == "running"
    assert "job j is PENDING" in lines(card)
    card.cancel_button.click()
    with pytest.raises(StepCancelled):
        await card.click()
    assert card.state == "cancelled"
    assert "the next run goes on with it" in card.receipt()
    assert card.run_button.description == "Try again"
