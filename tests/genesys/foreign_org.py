"""An org that answers as the sandbox did, but for one answer in which something else stands."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx

from opslib.genesys.transport import ByHost

Key = tuple[str, str]
Path = tuple[str | int, ...]


class Recording(httpx.AsyncBaseTransport):
    """Keeps the answer to each request, and passes it on."""

    answers: dict[Key, tuple[int, Any]]
    asked: set[Key]

    def __init__(self) -> None:
        self._inner = ByHost()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        body = await answer.aread()
        self.asked.add(key_of(request))
        self.answers[key_of(request)] = answer.status_code, json.loads(body) if body else None
        await answer.aclose()
        return httpx.Response(answer.status_code, content=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Replay(httpx.AsyncBaseTransport):
    """Gives the same answers, and `odd` (bytes) to one of the requests."""

    def __init__(self, answers: dict[Key, tuple[int, Any]], where: Key, odd: bytes) -> None:
        self._answers, self._where, self._odd = answers, where, odd

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        key = key_of(request)
        if key == self._where:
            return httpx.Response(200, content=self._odd, headers={"ININ-Correlation-Id": "c-1"})
        status, body = self._answers.get(key, (404, {"message": "there is none"}))
        return httpx.Response(status, content=b"" if body is None else json.dumps(body).encode())


def key_of(request: httpx.Request) -> Key:
    """The method and the path; of the query, only the number of a page: dates differ from run to run."""
    page = request.url.params.get("pageNumber", "")
    return request.method, f"{request.url.path}?{page}"


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Each value in a JSON document, by its path."""
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*at, key))


def replaced(value: Any, at: Path, by: Any) -> Any:
    """The document with another value in one place."""
    if not at:
        return by
    whole = copy.deepcopy(value)
    part = whole
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = by
    return whole
