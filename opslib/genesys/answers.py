"""What counts as an answer: the JSON that it may hold, and its shape for each endpoint.

The JSON is that of RFC 7493 (I-JSON): UTF-8, each key once, and only numbers that every program reads alike. Anything
else could be shown, hashed or written back as something that the server did not say.

A shape names the fields that opslib reads. Other fields may come and are kept; null counts as absent.
"""

import json
import math
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from opslib.errors import UnexpectedAnswer
from opslib.genesys.gate import CORRELATION_HEADER

JSON = dict[str, Any]

# The API's deepest documents have some 12 levels; Python's own functions give up at some 300.
_MAX_DEPTH = 64
_MAX_INTEGER = 2**53 - 1
# What is quoted of the server's own words.
_LONGEST_WORDS = 500

T = TypeVar("T")

# Visible ASCII: an id becomes a part of a path, where "." and ".." mean another place.
Id = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[!-~]*[!-\-/-~][!-~]*$")]
Count = Annotated[int, Field(ge=0)]


def moment(text: str) -> datetime:
    """A time of an answer. Raises ValueError for one without its offset."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("it has no offset")
    return parsed


def moment_or_none(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def _checked_moment(text: str) -> str:
    try:
        moment(text)
    except ValueError:
        raise PydanticCustomError("moment", "Input should be a time with its offset") from None
    return text


Moment = Annotated[str, AfterValidator(_checked_moment)]


class Shape(BaseModel):
    """The fields of an object that are read, with the types that they must have."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Entity(Shape):
    id: Id


class Reference(Shape):
    id: Id | None = None
    name: str | None = None


class Page(Shape, Generic[T]):
    """One page of a list, continued by number or by token."""

    entities: list[T]
    total: Count | None = None
    pageCount: Count | None = None
    nextUri: str | None = None
    nextPageToken: str | None = None
    cursor: str | None = None


class BareList(Page[T], Generic[T]):
    """A list that the API gives without a page around it. It comes as the page's `entities`."""


def counted(page: JSON) -> int:
    """How many a list has: as it says, else as many as this page has."""
    total: int | None = page.get("total")
    return len(page["entities"]) if total is None else total


def parse_json(body: bytes) -> Any:
    """The value of a JSON text. Raises ValueError with a reason for what is not I-JSON, or nested too deeply."""
    try:
        value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_each_once, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _refuse_other_than_i_json(value, 0)
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> JSON:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refuse_other_than_i_json(value: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for key, field in value.items():
            key.encode()
            _refuse_other_than_i_json(field, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _refuse_other_than_i_json(item, depth + 1)
    elif isinstance(value, str):
        value.encode()  # refuses half of a character (a lone surrogate)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise ValueError(f"an integer is beyond {_MAX_INTEGER}, where numbers are no longer exact")


def content(response: httpx.Response, shape: type[Shape] | None = None) -> JSON:
    """The JSON object of a successful answer, as it came; without a shape also {} for an empty one.

    Raises UnexpectedAnswer with the path and the field for an answer of another kind.
    """
    if not response.content and shape is None:
        return {}
    try:
        body = parse_json(response.content)
    except ValueError as error:
        kind = response.headers.get("Content-Type", "unknown")
        raise unexpected(response, f"it is not JSON that can be read ({error}); its content type is {kind}") from None
    if isinstance(body, list) and shape and issubclass(shape, BareList):
        body = {"entities": body}
    if not isinstance(body, dict):
        raise unexpected(response, f"an object was expected, and {_kind_of(body)} came")
    if shape:
        try:
            shape.model_validate(body)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            raise unexpected(response, _words(problems)) from None
    return body


def _words(problems: list[Any]) -> str:
    first, more = problems[0], len(problems) - 1
    field = ".".join(str(part) for part in first["loc"])
    came = "nothing" if first["type"] == "missing" else _kind_of(first["input"])
    expected = str(first["msg"]).removeprefix("Input should be ")
    said = f"{field[:200]}: {expected} was expected, and {came} came"
    return said + (f"; {more} more fields are wrong" if more else "")


def _kind_of(value: Any) -> str:
    """What came, without a value that may be a secret."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)[:40]
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return "an object" if isinstance(value, dict) else "a list"


def unexpected(response: httpx.Response, why: str) -> UnexpectedAnswer:
    """The error for a successful answer that is not the API's."""
    request = response.request
    return UnexpectedAnswer(
        f"The answer to {request.method} {request.url.path} is not as documented",
        cause=why,
        fix="check that the API URL is Genesys Cloud and that no proxy answers in its place; if it lasts, give the "
        "operator of the API the path and the correlation id",
        status=response.status_code,
        correlation_id=response.headers.get(CORRELATION_HEADER),
    )


class ErrorBody(Shape):
    """What a refusal says. `message` and the like are the server's own words, shortened; empty where it has none."""

    message: str = ""
    context_id: str | None = None
    description: str = ""


def error_body(response: httpx.Response) -> ErrorBody:
    """What a refusal says, as far as it can be read: an odd one is no error of its own.

    Genesys's APIs have {message, contextId, errors: [{message}]}, and its login host has error_description or
    description instead of message.
    """
    try:
        body = parse_json(response.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ErrorBody()
    errors = body.get("errors")
    details = [item.get("message") for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    words = [word for word in [body.get("message"), *details] if isinstance(word, str) and word]
    described = [body.get(name) for name in ("error_description", "description", "message")]
    context = body.get("contextId")
    return ErrorBody(
        message="; ".join(words)[:_LONGEST_WORDS],
        context_id=context[:_LONGEST_WORDS] if isinstance(context, str) else None,
        description=next((word for word in described if isinstance(word, str) and word), "")[:_LONGEST_WORDS],
    )
