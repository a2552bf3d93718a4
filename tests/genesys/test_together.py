import asyncio

import pytest

from opslib.genesys.together import together


async def test_nothing_is_left_behind_where_one_fails() -> None:
    """The first error is raised, once the others have ended, whatever they end with."""
    ended = []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    async def cannot_be_noted() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
            raise OSError("disk full")

    with pytest.raises(ValueError, match="first"):
        await together(fails(), cannot_be_noted(), cannot_be_noted())
    assert ended == [True, True]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_answers_come_in_the_order_of_the_questions() -> None:
    async def later(answer: int, turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return answer

    assert await together(later(1, 3), later(2, 1)) == [1, 2]
