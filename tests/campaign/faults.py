"""What can go wrong with one answer: each kind by its name."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

# How the answer is sent: in one piece; not at all; its first half; after the client has given up; a byte at a time; or
# without an end.
Sent = Literal["whole", "dropped", "cut", "late", "slow", "endless"]


@dataclass(frozen=True)
class Answer:
    """What goes back to opslib. `itself` is the URL that was asked, `elsewhere` the same at a host of a stranger."""

    service: str
    status: int
    headers: dict[str, str]
    body: bytes
    itself: str = ""
    elsewhere: str = ""


@dataclass(frozen=True)
class Fault:
    """`after`: the request takes effect, and only its answer is another one. `unusable`: nothing can be concluded from
    that. `speaks`: the content that the fault is made of, where it is made of any."""

    change: Callable[[Answer], Answer] = lambda answer: answer
    sent: Sent = "whole"
    after: bool = False
    unusable: bool = True
    speaks: Literal["", "json", "xml"] = ""

    def fits(self, service: str) -> bool:
        return self.speaks in ("", "xml" if service == "s3" else "json")


def _status(status: int, wait: Callable[[], str] | None = None) -> Callable[[Answer], Answer]:
    """A refusal in the service's own shape; `wait` is what Retry-After says."""
    code = {403: "AccessDenied", 404: "NoSuchKey", 429: "SlowDown", 503: "SlowDown"}.get(status, "InternalError")
    xml = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    said = json.dumps({"message": "no", "code": "no", "status": status, "contextId": "c"}).encode()

    def change(answer: Answer) -> Answer:
        headers = {"Retry-After": wait()} if wait else {}
        return Answer(answer.service, status, headers, xml if answer.service == "s3" else said)

    return change


def _in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def _body(body: bytes, status: int | None = None, **headers: str) -> Callable[[Answer], Answer]:
    more = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda answer: replace(answer, body=body, status=status or answer.status, headers=answer.headers | more)


def _gzip_bomb(answer: Answer) -> Answer:
    """Packed when it is sent: it takes a second, which each worker would wait that only imports this."""
    return _body(gzip.compress(b" " * 200 * _MB, 9), Content_Encoding="gzip")(answer)


def _header(name: str, text: str) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, headers=answer.headers | {name: text})


def _redirect(status: int, to: Callable[[Answer], str]) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(answer.service, status, {"Location": to(answer)}, b"")


def _json(edit: Callable[[Any], Any]) -> Callable[[Answer], Answer]:
    """The answer with something else in its JSON; one without JSON gets an object."""

    def change(answer: Answer) -> Answer:
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = {"id": "x", "entities": [{"id": "x"}]}
        return replace(answer, body=json.dumps(edit(value)).encode())

    return change


def _inside(edit: Callable[[str, Any], Any]) -> Callable[[Any], Any]:
    """The edit for each value of each object, the inner ones first; one that becomes `_inside` itself is left out."""

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(one) for one in value]
        if isinstance(value, dict):
            parts = {name: edit(name, whole(part)) for name, part in value.items()}
            return {name: part for name, part in parts.items() if part is not _inside}
        return value

    return whole


def _xml(edit: Callable[[bytes], bytes]) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, body=edit(answer.body or b"<Answer>1</Answer>"))


_WAITS: dict[str, Callable[[], str]] = {
    "in seconds": lambda: "1",
    "in parts of a second": lambda: "0.2",
    "zero": lambda: "0",
    "a date": lambda: _in(1),
    "a date that has passed": lambda: _in(-3600),
    "a date in a year": lambda: _in(365 * 86400),
    "negative": lambda: "-5",
    "huge": lambda: "9" * 30,
    "1e9": lambda: "1e9",
    "words": lambda: "soon",
    "empty": lambda: "",
}
_BILLION_LAUGHS = (
    b'<!DOCTYPE a [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><a>&j;</a>"
)
_HTML = b"<!doctype html><html><body>Sign in</body></html>"
_MB = 2**20


def _faults() -> dict[str, Fault]:
    kinds: dict[str, Fault] = {}
    for status in (400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504):
        kinds[f"status {status}"] = Fault(_status(status))
        if status >= 500:
            kinds[f"status {status} after the effect"] = Fault(_status(status), after=True)
    for status in (429, 503):
        for form, text in _WAITS.items():
            kinds[f"status {status}, Retry-After {form}"] = Fault(_status(status, text))
    for after in (False, True):
        when = " after the effect" if after else ""
        kinds[f"dropped{when}"] = Fault(sent="dropped", after=after)
        kinds[f"late{when}"] = Fault(sent="late", after=after)
    kinds |= {f"{sent} body": Fault(sent=sent, after=True) for sent in ("cut", "slow", "endless")}
    for status in (301, 302, 303, 307, 308):
        kinds[f"redirect {status} to another host"] = Fault(_redirect(status, lambda answer: answer.elsewhere))
    kinds |= {
        "redirect 307 to itself": Fault(_redirect(307, lambda answer: answer.itself)),
        "redirect 308 without a place": Fault(_redirect(308, lambda answer: "")),
        "empty body": Fault(_body(b""), after=True),
        "HTML page": Fault(_body(_HTML, Content_Type="text/html"), after=True),
        "binary body": Fault(_body(bytes(range(256))), after=True),
        "body of 9 MB": Fault(_body(b" " * 9 * _MB), after=True),
        "gzip bomb": Fault(_gzip_bomb, after=True),
        "gzip that is none": Fault(_body(b"not gzip", Content_Encoding="gzip"), after=True),
        "gzip twice": Fault(_body(gzip.compress(gzip.compress(b"{}")), Content_Encoding="gzip, gzip"), after=True),
        "packing not asked for": Fault(_body(b"{}", Content_Encoding="br"), after=True),
        "Date in 1971": Fault(_header("Date", "Fri, 01 Jan 1971 00:00:00 GMT"), after=True, unusable=False),
        "Date in 2199": Fault(_header("Date", "Tue, 01 Jan 2199 00:00:00 GMT"), after=True, unusable=False),
        "Date that is none": Fault(_header("Date", "yesterday"), after=True, unusable=False),
        "400, errors: 5": Fault(_body(b'{"errors": 5}', 400)),
        "400 with an HTML page": Fault(_body(_HTML, 400)),
    }
    documents = {
        "a number": _json(lambda value: 5),
        "null": _json(lambda value: None),
        "a list": _json(lambda value: [1]),
        "errors: 5": _json(lambda value: {"errors": 5}),
        "a lone surrogate": _json(lambda value: {**value, "name": "\ud800"}),
        "an integer beyond 2^53": _json(lambda value: {**value, "version": 2**53 + 1}),
        "a number of 5000 digits": _body(b'{"id": "x", "version": ' + b"7" * 5000 + b"}"),
        "NaN": _json(lambda value: {**value, "total": float("nan")}),
        "total null": _json(lambda value: {**value, "total": None}),
        "total NaN": _json(lambda value: {**value, "total": "NaN"}),
        "pageCount null": _json(lambda value: {**value, "pageCount": None}),
        "pageCount negative": _json(lambda value: {**value, "pageCount": -1}),
        "no id anywhere": _json(_inside(lambda name, part: _inside if name == "id" else part)),
        "id null": _json(_inside(lambda name, part: None if name == "id" else part)),
        "id a number": _json(_inside(lambda name, part: 5 if name == "id" else part)),
        "numbers where objects belong": _json(_inside(lambda name, part: 5 if isinstance(part, dict) else part)),
        "text where lists belong": _json(_inside(lambda name, part: "x" if isinstance(part, list) else part)),
        "null for every value": _json(_inside(lambda name, part: None)),
        "text for every number": _json(_inside(lambda name, part: "x" if isinstance(part, int | float) else part)),
        "nested 100000 deep": _body(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "a key twice": _body(b'{"id": "x", "id": "y", "entities": [], "entities": [1]}'),
        "in UTF-16": lambda answer: replace(answer, body=answer.body.decode().encode("utf-16")),
    }
    in_part = {"an integer beyond 2^53", "total null", "pageCount null", "text for every number", "no id anywhere"}
    for name, change in documents.items():
        kinds[f"JSON: {name}"] = Fault(change, after=True, speaks="json", unusable=name not in in_part)
    foreign = {
        "cut": lambda body: body[: len(body) // 2],
        "another root": lambda body: b"<Other/>",
        "a billion laughs": lambda body: _BILLION_LAUGHS,
        "nested 100000 deep": lambda body: b"<a>" * 100_000,
        "words for every number": lambda body: b"".join(b"soon" if 48 <= one <= 57 else bytes([one]) for one in body),
        "JSON": lambda body: b'{"Status": "Enabled"}',
        "an unknown encoding": lambda body: b'<?xml version="1.0" encoding="x-none"?><a/>',
    }
    for name, edit in foreign.items():
        unusable = name != "words for every number"
        kinds[f"XML: {name}"] = Fault(_xml(edit), after=True, speaks="xml", unusable=unusable)
    return kinds


FAULTS = _faults()
