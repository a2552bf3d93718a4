"""An object that is not as it was sent, or not as an unfinished apply left it: which fields, and whose doing it is.

What the server has in exactly the revision that our write made, or as it answered that write, is the server's doing. A
later revision is somebody else's, or the server's own later. Where that is not known, it is said.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from opslib.genesys.backend import JSON, Backend, Kind, leaves
from opslib.router.render import show

Origin = Literal["server", "others", "unknown"]
Choice = Literal["", "accepted", "overwritten"]

# What says which revision of an object an answer shows, the most exact first.
_REVISIONS = ("version", "modifiedDate", "dateModified")
# Switching an integration does not count in the version of its configuration.
_UNVERSIONED = frozenset({"intendedState"})


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldDifference(_Data):
    """One field: `path` with dots, None for absent. `kept` is what the server has."""

    path: str
    sent: Any
    kept: Any


class Difference(_Data):
    """One object of an apply. `place` is its place in the plan, `found` what was read, None when the object is gone,
    and `server_id` the server's id of it; no secrets. `written` says whether the apply had written it.

    `fields` are those that differ from every state in which the apply may have left the object. `choice` is what the
    user decided; empty until then. `by` and `at` say who decided, and when (UTC).
    """

    place: int
    kind: Kind
    name: str
    origin: Origin
    fields: tuple[FieldDifference, ...]
    found: JSON | None
    written: bool = True
    server_id: str = ""
    revision: str = ""
    choice: Choice = ""
    by: str = ""
    at: str = ""

    @property
    def heading(self) -> str:
        if self.origin == "server":
            return f"{self.kind} {self.name} is not kept as it was sent"
        what = "was deleted" if self.found is None else "was created" if self._is_new else "was changed"
        if self.origin == "others":
            who = "by somebody else, or by the server itself, after the apply began"
        else:
            who = "since it was sent; whether by the server or by another program is not known"
        return f"{self.kind} {self.name} {what} {who}"

    @property
    def details(self) -> str:
        """Each field with what was sent and what is there; the object's revision, where the server names one."""
        first = "sent" if self.written else "was"
        then = "the server kept" if self.origin == "server" else "now"
        fields = (f"{field.path}: {first} {_words(field.sent)}, {then} {_words(field.kept)}" for field in self.fields)
        return "; ".join([*fields, *([self.revision] if self.revision else [])])

    @property
    def sentence(self) -> str:
        return f"{self.heading} ({self.details})" if self.details else self.heading

    @property
    def _is_new(self) -> bool:
        return bool(self.fields) and all(field.sent is None for field in self.fields)


def field_differences(
    backend: Backend, states: Sequence[JSON | None], found: JSON | None
) -> tuple[FieldDifference, ...]:
    """The fields that are as in none of the states. If each is as in one of them, those that are not as in the first,
    which is what should be there."""
    if found is None:
        return ()
    known = [_fields(backend, state) for state in states if state] or [{}]
    kept, expected = _fields(backend, found), known[0]
    paths = sorted(set(kept).union(*known))
    foreign = [path for path in paths if all(kept.get(path) != fields.get(path) for fields in known)]
    return tuple(
        FieldDifference(path=path, sent=expected.get(path), kept=kept.get(path))
        for path in foreign or [path for path in paths if kept.get(path) != expected.get(path)]
    )


def same_revision(answer: JSON, found: JSON | None) -> bool | None:
    """Whether a read shows the revision that a write was answered with; None where the answers do not say."""
    written, read = _revisions(answer, found)
    return None if written is None else bool(written == read)


def is_older(found: JSON | None, answer: JSON) -> bool:
    """Whether a read shows something from before the write."""
    written, read = _revisions(answer, found)
    return written is not None and bool(read < written)


def revision(found: JSON | None) -> str:
    """What the server says about the state that it has: version, date and author, as far as it names them."""
    body = found or {}
    author = body.get("modifiedBy") or {}
    author = (author.get("name") or author.get("id")) if isinstance(author, dict) else author
    date = body.get("modifiedDate") or body.get("dateModified")
    parts = [("version", body.get("version")), ("modified", date), ("by", author)]
    return " ".join(f"{name} {value}" for name, value in parts if value is not None)


def origin_of(
    fields: Iterable[FieldDifference], *, same_revision: bool | None, confirmed: bool, as_answered: bool
) -> Origin:
    """Whose doing it is that a read after a write differs from what was sent.

    `confirmed`: the write was answered with what was sent. `as_answered`: the read shows what the write was answered
    with.
    """
    if same_revision:
        return "others" if confirmed and {field.path for field in fields} <= _UNVERSIONED else "server"
    if as_answered:
        return "server"
    return "others" if confirmed or same_revision is False else "unknown"


def _revisions(answer: JSON, found: JSON | None) -> tuple[Any, Any]:
    """The revision of each, where both name the same mark of one; else None and None."""
    both = ((answer.get(name), (found or {}).get(name)) for name in _REVISIONS)
    return next((pair for pair in both if type(pair[0]) is type(pair[1]) and pair[0] is not None), (None, None))


def _fields(backend: Backend, body: JSON | None) -> dict[str, Any]:
    return dict(leaves(backend.comparable(body))) if body else {}


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{len(value)} ({show(value)})" if isinstance(value, list | tuple) else show(value)
