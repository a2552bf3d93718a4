"""The HTTP connection, which a fault can cut without an answer."""

import asyncio
from typing import ClassVar

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

Ends = tuple[tuple[str, int], tuple[str, int]]
"""Both ends of a connection, client first. The client's alone may repeat from port to port."""


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which also remembers its transport by the connection's two ends.

    ASGI has no message for "hang up": an app that answers nothing gets a 500 sent in its name.
    """

    _open: ClassVar[dict[Ends, asyncio.Transport]] = {}
    _ends: Ends

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._ends = (transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
        self._open[self._ends] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop(self._ends, None)
        super().connection_lost(exc)

    @classmethod
    async def cut(cls, scope: Scope, receive: Receive) -> None:
        """Close the connection of this request at once; returns when the server has seen it gone."""
        transport = cls._open.get((tuple(scope["client"]), tuple(scope["server"])))
        if transport is not None:
            transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass
