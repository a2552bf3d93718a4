"""Lists by page number, the style of policies, integrations and their types."""

import math
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse

from opslib.sandbox.server.parameters import page_size, whole_number


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
