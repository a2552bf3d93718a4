"""Lists by page number, the style of policies, integrations and their types; and by cursor."""

import math
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse

from opslib.sandbox.server.parameters import page_size, page_start, page_token, whole_number


def cursor_page(request: Request, entities: Sequence[dict[str, Any]], limit: int) -> JSONResponse:
    """One page of them, without a total; `nextUri` has the cursor of the next."""
    size, start = page_size(request, limit), page_start(request, "cursor", int) or 0

    def uri(cursor: int) -> str:
        query = {**request.query_params, "pageSize": size, "cursor": page_token(cursor)}
        return str(URL(path=request.url.path).include_query_params(**query))

    answer = {"entities": list(entities[start : start + size]), "selfUri": uri(start)}
    if start + size < len(entities):
        answer["nextUri"] = uri(start + size)
    return JSONResponse(answer)


def numbered_page(request: Request, entities: Sequence[dict[str, Any]]) -> JSONResponse:
    """One page of them, `total` counting all. The URIs are relative to the host; past the end a page is empty."""
    size, number = page_size(request), whole_number(request, "pageNumber", 1, 10**9)
    last = math.ceil(len(entities) / size)

    def uri(page: int) -> str:
        query = {**request.query_params, "pageSize": size, "pageNumber": page}
        return str(URL(path=request.url.path).include_query_params(**query))

    answer = {
        "entities": list(entities[(number - 1) * size : number * size]),
        "pageSize": size,
        "pageNumber": number,
        "total": len(entities),
        "pageCount": last,
        "firstUri": uri(1),
        "lastUri": uri(max(last, 1)),
        "selfUri": uri(number),
    }
    if number < last:
        answer["nextUri"] = uri(number + 1)
    if number > 1:
        answer["previousUri"] = uri(number - 1)
    return JSONResponse(answer)
