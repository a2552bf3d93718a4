"""Errors as the Genesys API words them, and the correlation id that ties them to a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

Item = TypeVar("Item")

CORRELATION_ID = "ININ-Correlation-Id"
ANSWER_HEADERS = "opslib.sandbox.answer_headers"
"""Scope key of a dict: the headers that every answer to this request will carry, errors included."""

CODES = {
    400: "bad.request",
    401: "bad.credentials",
    403: "not.authorized",
    404: "not.found",
    405: "method.not.allowed",
    408: "client.timeout",
    409: "general.conflict",
    413: "request.entity.too.large",
    415: "unsupported.media.type",
    429: "too.many.requests",
    500: "internal.server.error",
    503: "service.unavailable",
    504: "request.timeout",
}
"""The code that goes with a status when nothing more precise is known (Genesys's error catalogue)."""


@dataclass(eq=False)
class ApiError(Exception):
    """An answer other than success: status, code, a message template and the values that fill it."""

    status: int
    template: str
    code: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    details: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, context_id: str) -> dict[str, Any]:
        """Genesys's ErrorBody; `contextId` is the correlation id."""
        message = self.template
        for name, value in self.params.items():
            message = message.replace("{" + name + "}", value)
        return {
            "message": message,
            "code": self.code or CODES.get(self.status, "error"),
            "status": self.status,
            "messageWithParams": self.template,
            "messageParams": self.params,
            "contextId": context_id,
            "details": self.details,
            "errors": [],
        }


def invalid_value(template: str, **params: object) -> ApiError:
    """A 400 for what a client sent."""
    return ApiError(400, template, code="invalid.value", params={name: str(value) for name, value in params.items()})


def or_404(entity: Item | None) -> Item:
    """What was asked for, or a 404 where there is none."""
    if entity is None:
        raise ApiError(404, "The requested resource was not found.")
    return entity


def bare_error(status: int) -> ApiError:
    """The error of a status about which nothing else is known."""
    return ApiError(status, responses.get(status, "Unknown"))


def correlation_id(scope: Scope) -> str:
    headers: dict[str, str] = scope[ANSWER_HEADERS]
    return headers[CORRELATION_ID]


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Exception handler of the Genesys apps: ours, Starlette's (404, 405) and, as a 500, any other."""
    if isinstance(error, ApiError):
        api_error = error
    elif isinstance(error, HTTPException):
        api_error = bare_error(error.status_code)
        api_error.headers = error.headers or {}
    else:
        api_error = bare_error(500)
    body = api_error.body(correlation_id(request.scope))
    return JSONResponse(body, status_code=api_error.status, headers=api_error.headers)
