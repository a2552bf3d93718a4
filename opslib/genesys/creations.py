"""Objects whose id is the server's (platform only): each is made once, also through a lost answer or a crash.

A POST cannot be repeated blindly, and a list may be late. So a creation is noted before it is sent, and again as soon
as the server's id is known, before anything else is sent. What is noted and not answered is looked for, for as long as
a list may be late, before it is sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from opslib.errors import (
    AuthenticationFailed,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    OpslibError,
    PermissionMissing,
    RateLimited,
    ServerFailure,
    UnexpectedAnswer,
)
from opslib.genesys.answers import Entity
from opslib.genesys.backend import JSON, SETTLES_WITHIN_S, Creation, Made
from opslib.genesys.client import GenesysClient
from opslib.genesys.polling import poll_until
from opslib.genesys.recorder import current_operation

T = TypeVar("T")
Find = Callable[[], Awaitable[JSON | None]]

# What a POST that has made something is answered with.
_CREATED = range(200, 300)
# How often an object is sent to be made.
_TRIES = 3
_POLL_S, _POLL_AT_MOST_S = 0.25, 2.0

# The server refused the request itself: it made nothing.
_REFUSALS = (InvalidRequest, AuthenticationFailed, PermissionMissing, NotFound, Conflict, RateLimited)


def keep_no_note(creation: Creation) -> None:
    """For writes that belong to no apply."""


class Creations:
    """What one client has made, or has begun to make; `note` is told of each."""

    def __init__(self, client: GenesysClient) -> None:
        self._client = client
        self.note: Callable[[Creation], object] = keep_no_note
        # By kind and name: the id, and until when a list may not show it (the event loop's time).
        self._made: dict[tuple[Made, str], tuple[str, float]] = {}
        # Sent, and not answered.
        self._begun: set[tuple[Made, str]] = set()

    def recall(self, creation: Creation) -> None:
        """Take in what an earlier process noted."""
        if creation.server_id:
            self._answered(creation)
        else:
            self._begun.add((creation.kind, creation.name))

    def unlisted(self, kind: Made, name: str) -> str:
        """The id of what was made so short a time ago that a list may not show it; empty for none."""
        id, until = self._made.get((kind, name), ("", 0.0))
        return id if asyncio.get_running_loop().time() < until else ""

    def all_unlisted(self, kind: Made) -> dict[str, str]:
        """The same of every one of a kind: its id by its name."""
        ids = {name: self.unlisted(of, name) for of, name in self._made if of == kind}
        return {name: id for name, id in ids.items() if id}

    def forget(self, kind: Made, name: str) -> None:
        """It is gone."""
        self._made.pop((kind, name), None)

    def begun(self, kind: Made) -> list[str]:
        """The names of what was sent and not answered."""
        return [name for of, name in self._begun if of == kind]

    async def unanswered(self, kind: Made, name: str, find: Find) -> JSON | None:
        """What a POST made whose answer is not known; None when there was no such POST, or when it made nothing."""
        if (kind, name) not in self._begun:
            return None
        made = await late(find)
        self._begun.discard((kind, name))
        if made:
            self._note_answer(kind, name, made)
        return made

    async def create(self, kind: Made, endpoint: str, body: JSON, shape: type[Entity], find: Find) -> JSON:
        """POST, once. Where its answer is lost, or cannot be read, `find` looks for the object before it is
        sent again, for as long as a list may not show it. It is not sent again when the operation has too little time
        left to look again."""
        name: str = body["name"]
        for _ in range(_TRIES):
            self.note(Creation(kind, name))
            self._begun.add((kind, name))
            try:
                return self._note_answer(
                    kind, name, await self._client.request("POST", endpoint, json=body, shape=shape)
                )
            except _REFUSALS:
                self._begun.discard((kind, name))
                raise
            except (ServerFailure, ConnectionFailed, UnexpectedAnswer) as error:
                if isinstance(error, UnexpectedAnswer) and error.status not in _CREATED:
                    raise
                failure: OpslibError = error
            if made := await self.unanswered(kind, name, find):
                return made
            if failure.status == 500:  # not a failure that passes (Genesys's resiliency guide)
                break
            if (operation := current_operation()) and operation.seconds_left() < SETTLES_WITHIN_S:
                break
        raise failure

    def _note_answer(self, kind: Made, name: str, made: JSON) -> JSON:
        creation = Creation(kind, name, str(made["id"]))
        self.note(creation)
        self._answered(creation)
        return made

    def _answered(self, creation: Creation) -> None:
        key = creation.kind, creation.name
        self._begun.discard(key)
        self._made[key] = creation.server_id, asyncio.get_running_loop().time() + SETTLES_WITHIN_S


async def late(find: Callable[[], Awaitable[T]], is_final: Callable[[T], object] = bool) -> T:
    """The answer of a list that may be late: once it is final, or the last one after the time that a list may take.
    Asked ever less often, since each look counts as a call."""
    return await poll_until(find, is_final, deadline_s=SETTLES_WITHIN_S, wait_s=_POLL_S, longest_wait_s=_POLL_AT_MOST_S)
