import base64
import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote

from starlette.requests import Request

from opslib.sandbox.server.errors import invalid_value

Start = TypeVar("Start")


def path_id(request: Request) -> str:
    """The id in the path, decoded here because the middleware keeps the path encoded."""
    return unquote(request.path_params["id"])


def page_start(request: Request, name: str, kind: Callable[[str], Start]) -> Start | None:
    """Where a page starts, as `page_token` wrote it; None for the first."""
    token = request.query_params.get(name)
    if token is None:
        return None
    try:
        return kind(base64.b64decode(token, altchars=b"-_", validate=True).decode())
    except ValueError:
        raise invalid_value(f"{name}: not one that this API gave") from None


def page_token(start: object) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode()


def page_size(request: Request, limit: int = 100) -> int:
    return whole_number(request, "pageSize", default=25, limit=limit)


def whole_number(request: Request, name: str, default: int, limit: int) -> int:
    """From 1 to `limit`; a 400 for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text) or int(text) > limit:
        raise invalid_value("{name}: must be a whole number from 1 to {limit}", name=name, limit=limit)
    return int(text)


def choice(request: Request, name: str, allowed: tuple[str, ...]) -> str | None:
    """One of the allowed values in any case, as it stands there; None when the query does not have it."""
    text = request.query_params.get(name)
    if text is None:
        return None
    for value in allowed:
        if value.lower() == text.lower():
            return value
    raise invalid_value(
        "Value [{value}] is not valid for field type [{name}]. Allowable values are: {allowed}",
        value=text,
        name=name,
        allowed=", ".join(allowed),
    )


def flag(request: Request, name: str) -> bool | None:
    text = choice(request, name, ("true", "false"))
    return None if text is None else text == "true"
