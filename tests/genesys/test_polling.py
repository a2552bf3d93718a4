"""Polling: how often it asks, how long it waits, and what it returns at the end."""

from collections.abc import Iterator

from opslib.genesys.polling import poll_until


class Answers:
    """Gives one answer after the other."""

    def __init__(self, *answers: object) -> None:
        self._answers: Iterator[object] = iter(answers)

    async def __call__(self) -> object:
        return next(self._answers)


async def test_a_first_answer_that_is_final_needs_no_wait(slept: list[float]) -> None:
    """Even with a deadline that has passed."""
    assert await poll_until(Answers("yes"), deadline_s=-1, wait_s=1) == "yes"
    assert slept == []


async def test_waits_double_up_to_the_longest(slept: list[float]) -> None:
    """The first is as given."""
    answers = Answers(None, None, None, None, "yes")
    assert await poll_until(answers, deadline_s=60, wait_s=1, longest_wait_s=3) == "yes"
    assert slept == [1, 2, 3, 3]


async def test_waits_are_equal_without_a_longest_and_may_begin_with_one(slept: list[float]) -> None:
    """A query that was just asked cannot have its answer yet."""
    answers = Answers("running", "running", "done")
    final = await poll_until(answers, lambda answer: answer == "done", deadline_s=60, wait_s=1, first_wait_s=5)
    assert (final, slept) == ("done", [5, 1, 1])


async def test_after_the_deadline_the_last_answer_is_returned(slept: list[float]) -> None:
    """It is asked once more after a wait that ends behind the deadline."""
    assert await poll_until(Answers(0, 0, 0), deadline_s=1.5, wait_s=1) == 0
    assert slept == [1, 1]
