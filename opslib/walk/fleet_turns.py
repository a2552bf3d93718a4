"""Whose turn it is to write an object that several onboardings describe alike, such as the one S3 integration of an org
on platform: one of them writes it, and the others find it there."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from opslib.walk.fleet_plan import FleetRow

_Object = tuple[str, str, str]


class Turns:
    """Keeps onboardings that write the same object apart until one of them has written it."""

    def __init__(self, rows: Iterable[FleetRow]) -> None:
        counts = Counter(written for row in rows for written in _writes(row))
        self._locks = {written: asyncio.Lock() for written, count in counts.items() if count > 1}

    @asynccontextmanager
    async def of(self, row: FleetRow) -> AsyncIterator[None]:
        """Hold every object of the row that another one writes, too, and that is not there yet."""
        held: list[asyncio.Lock] = []
        try:
            for written in sorted(set(_writes(row))):
                if lock := self._locks.get(written):
                    await lock.acquire()
                    held.append(lock) if written in self._locks else lock.release()
            yield
        finally:
            for lock in held:
                lock.release()

    def written(self, row: FleetRow) -> None:
        """The objects of the row are there: nobody has to wait for them any more."""
        for written in _writes(row):
            self._locks.pop(written, None)


def _writes(row: FleetRow) -> Iterator[_Object]:
    return ((row.org, change.kind, change.id) for change in row.changes)
