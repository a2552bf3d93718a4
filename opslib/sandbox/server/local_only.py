"""Keeps pages of a browser away from the control endpoint, which needs no token.

A page can send requests to this machine, and by DNS rebinding read the answers too. So the Host must be this machine by
one of its own names and this port, which a rebound name is not; the headers that a browser adds to what a page sends,
Origin and Sec-Fetch-Site, are refused; and a body is JSON and declared as such, which a page cannot do without asking
first. Python's urllib declares each body a form. That is let in, too: what a page's form sends as this type is not
JSON.
"""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_OF_PAGES = ("origin", "sec-fetch-site")
_TYPES = ("application/json", "application/x-www-form-urlencoded")


class LocalOnly:
    """Serves an app to programs on this machine that address it at its `port`."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._hosts = app, [f"{name}:{port}" for name in _NAMES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, why = self._objection(Headers(scope=scope))
        answer = JSONResponse({"error": why}, status_code=status) if status else self._app
        await answer(scope, receive, send)

    def _objection(self, headers: Headers) -> tuple[int, str]:
        """Status and reason; 0 when there is none."""
        if [host.lower() for host in headers.getlist("host")] not in [[host] for host in self._hosts]:
            return 403, f"the Host must be one of {', '.join(self._hosts)}"
        if sent_by_a_page := [name for name in _OF_PAGES if name in headers]:
            return 403, f"this endpoint is not for pages of a browser, and the request has {sent_by_a_page[0]}"
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        content_type = headers.get("content-type", "application/json" if not has_body else "")
        if content_type.partition(";")[0].strip().lower() not in _TYPES:
            return 415, "the Content-Type must be application/json"
        return 0, ""
