"""Query parameters, checked."""

import re

from starlette.requests import Request

from opslib.sandbox.server.errors import ApiError

DEFAULT_PAGE_SIZE = 25
MAX_PAGE_SIZE = 100


def page_size(request: Request, limit: int = MAX_PAGE_SIZE) -> int:
    return whole_number(request, "pageSize", DEFAULT_PAGE_SIZE, limit)


def whole_number(request: Request, name: str, default: int, limit: int) -> int:
    """From 1 to `limit`; a 400 for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text) or int(text) > limit:
        raise ApiError(
            400,
            "{name}: must be a whole number from 1 to {limit}",
            code="invalid.value",
            params={"name": name, "limit": str(limit)},
        )
    return int(text)


def choice(request: Request, name: str, allowed: tuple[str, ...]) -> str | None:
    """One of the allowed values in any case, as it stands there; None when the query does not have it."""
    text = request.query_params.get(name)
    if text is None:
        return None
    for value in allowed:
        if value.lower() == text.lower():
            return value
    raise ApiError(
        400,
        "Value [{value}] is not valid for field type [{name}]. Allowable values are: {allowed}",
        code="invalid.value",
        params={"value": text, "name": name, "allowed": ", ".join(allowed)},
    )


def flag(request: Request, name: str) -> bool | None:
    text = choice(request, name, ("true", "false"))
    return None if text is None else text == "true"
