"""Conversations as analytics has them, and the query that finds them; export jobs ask the same."""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

from pydantic import Field

from opslib.sandbox.server.bodies import Body
from opslib.sandbox.server.errors import invalid_value
from opslib.sandbox.server.platform.interval import Interval, moments
from opslib.sandbox.server.source import Source, SourceRecording
from opslib.sandbox.server.world import utc

Conversation = list[SourceRecording]
"""The recordings of one conversation, which always has some here."""
Dimensions = dict[str, Callable[[Conversation], list[str]]]
"""What a conversation has for each of them."""

MEDIA = {"call": "voice", "screen": "voice", "chat": "chat", "email": "email"}
"""The media type of the session, by the recording's medium; a screen is recorded during a call."""


class Predicate(Body):
    type: Literal["dimension"] = "dimension"
    dimension: str
    operator: Literal["matches", "exists", "notExists"] = "matches"
    value: str | None = None


class Filter(Body):
    type: Literal["and", "or"]
    predicates: list[Predicate] = Field(min_length=1)


class ConversationQuery(Body):
    """`interval`: conversations with any activity in it are found."""

    interval: Interval
    order: Literal["asc", "desc", "unordered"] = "asc"
    orderBy: Literal["conversationStart", "conversationEnd", "segmentStart", "segmentEnd"] = "conversationStart"
    conversationFilters: list[Filter] | None = None
    segmentFilters: list[Filter] | None = None
    limit: int | None = Field(default=None, ge=1)
    startOfDayIntervalMatching: bool = False


def find(query: ConversationQuery, source: Source) -> list[Conversation]:
    """What the query finds, in its order."""
    start, end = moments(query.interval)
    begun_after = start.replace(hour=0, minute=0, second=0, microsecond=0) if query.startOfDayIntervalMatching else None
    tests = [*_tests(query.conversationFilters, CONVERSATION), *_tests(query.segmentFilters, SEGMENT)]
    found = [
        conversation
        for conversation in source.conversations()
        if conversation[0].recording.started < end
        and conversation[0].recording.ended >= start
        and (begun_after is None or conversation[0].recording.started >= begun_after)
        and all(test(conversation) for test in tests)
    ]
    if query.orderBy.endswith("End"):
        found.sort(key=lambda conversation: conversation[0].recording.ended)
    return (found[::-1] if query.order == "desc" else found)[: query.limit]


def public(conversation: Conversation) -> dict[str, Any]:
    """An AnalyticsConversation: a customer and an agent, of whose session the recordings are."""
    first = conversation[0].recording
    start, end = utc(first.started), utc(first.ended)
    media = _sessions(conversation)
    return {
        "conversationId": first.conversation_id,
        "conversationStart": start,
        "conversationEnd": end,
        "originatingDirection": "inbound",
        "divisionIds": [_id("division")],
        "participants": [
            {"participantId": _id(first.conversation_id, "customer"), "purpose": "customer", "sessions": []},
            {
                "participantId": _id(first.conversation_id, "agent"),
                "purpose": "agent",
                "screenRecording": _has(conversation, "screen"),
                "sessions": [
                    {
                        "sessionId": _id(first.conversation_id, medium),
                        "mediaType": medium,
                        "direction": "inbound",
                        "recording": medium == "voice" and _has(conversation, "call"),
                        "segments": [
                            {
                                "segmentStart": start,
                                "segmentEnd": end,
                                "segmentType": "interact",
                                "queueId": queue_id(first.queue),
                                "conference": False,
                            }
                        ],
                    }
                    for medium in media
                ],
            },
        ],
    }


def queue_id(name: str) -> str:
    """The same in every sandbox."""
    return _id("queue", name)


def _tests(filters: list[Filter] | None, dimensions: Dimensions) -> Iterator[Callable[[Conversation], bool]]:
    for one in filters or []:
        for predicate in one.predicates:
            if predicate.dimension not in dimensions:
                allowed = ", ".join(dimensions)
                raise invalid_value("dimension {name}: only {allowed}", name=predicate.dimension, allowed=allowed)
        yield partial(_passes, one, dimensions)


def _passes(one: Filter, dimensions: Dimensions, conversation: Conversation) -> bool:
    held = (_holds(predicate, dimensions[predicate.dimension](conversation)) for predicate in one.predicates)
    return all(held) if one.type == "and" else any(held)


def _holds(predicate: Predicate, values: list[str]) -> bool:
    if predicate.operator == "matches":
        return predicate.value in values
    return bool(values) == (predicate.operator == "exists")


def _has(conversation: Conversation, medium: str) -> bool:
    return any(one.recording.media == medium for one in conversation)


def _sessions(conversation: Conversation) -> list[str]:
    return sorted({MEDIA[one.recording.media] for one in conversation})


def _flag(value: bool) -> list[str]:
    return ["true" if value else "false"]


CONVERSATION: Dimensions = {
    "conversationId": lambda conversation: [conversation[0].conversation_id],
    "originatingDirection": lambda conversation: ["inbound"],
}
SEGMENT: Dimensions = {
    "recording": lambda conversation: _flag(_has(conversation, "call")),
    "screenRecording": lambda conversation: _flag(_has(conversation, "screen")),
    "snippetRecording": lambda conversation: _flag(False),
    "mediaType": _sessions,
    "direction": lambda conversation: ["inbound"],
    "queueId": lambda conversation: [queue_id(conversation[0].recording.queue)],
}
"""The dimensions that a filter may name here: a live org has more."""


def _id(*names: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, " ".join(names)))
