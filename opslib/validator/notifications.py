"""Which new recordings a bucket announces, and through what. Pure functions.

Events that match a filter's prefix *and* suffix are sent (S3 User Guide, “Configuring event notifications using object
key name filtering”). Genesys writes a recording and its metadata: `….opus` and `….opus_metadata.json`. An object that
is uploaded in parts is announced by CompleteMultipartUpload, any other by Put; which of them Genesys uses is not
published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from opslib.validator.finding import Outcome, failed, passed, unknown, warned
from opslib.validator.lifecycle import overlap

_CHANNELS = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
_RECORDING, _METADATA = ".opus", ".opus_metadata.json"
_CREATED = "s3:ObjectCreated:"
_PUT, _PARTS = f"{_CREATED}Put", f"{_CREATED}CompleteMultipartUpload"
_RECORDINGS = frozenset((_RECORDING, event) for event in (_PUT, _PARTS))
_EVERYTHING = _RECORDINGS | {(_METADATA, event) for event in (_PUT, _PARTS)}


@dataclass(frozen=True)
class _Channel:
    """A queue, topic or function: below which prefix, and which endings by which events, it announces."""

    kind: str
    prefix: str
    announces: frozenset[tuple[str, str]]


def announced(configuration: Mapping[str, Any], place: str | None) -> Outcome:
    """What GetBucketNotificationConfiguration's answer means for recordings below `place` (None: not known where)."""
    channels = [_channel(kind, one) for kind in _CHANNELS for one in configuration.get(kind, [])]
    whole = [one for one in channels if one.announces and (place or "").startswith(one.prefix)]
    through = dict.fromkeys(one.kind for one in whole)
    if "EventBridgeConfiguration" in configuration:
        return passed(f"announced through {', '.join([*through, 'EventBridge'])}")
    covered = frozenset[tuple[str, str]]().union(*(one.announces for one in whole))
    if covered >= _EVERYTHING:
        return passed(f"announced through {', '.join(through)}")
    if covered >= _RECORDINGS:
        return warned(f"announced are recordings (….opus) through {', '.join(through)}, and not their metadata")
    if covered & _RECORDINGS:
        missed = "in parts" if (_RECORDING, _PUT) in covered else "in one piece"
        return warned(f"recordings that are uploaded {missed} are not announced; how Genesys uploads is not published")
    if below := sorted(_partly(channels, place)):
        if place is None:
            return unknown(f"announced is only what goes below {', '.join(below)}; where Genesys writes is not known")
        return failed(f"announced are only recordings below {', '.join(below)}")
    if covered:
        return failed("announced is only the metadata of new recordings")
    return failed("no new recording is announced" + (_FOR_OTHERS if channels else ""))


_FOR_OTHERS = ": what is configured is for other events, prefixes or endings than recordings have"


def _partly(channels: Sequence[_Channel], place: str | None) -> set[str]:
    """Prefixes that announce recordings of a part of the place."""
    return {
        one.prefix
        for one in channels
        if one.announces & _RECORDINGS and len(one.prefix) > len(place or "") and overlap(one.prefix, place or "")
    }


def _channel(kind: str, channel: Mapping[str, Any]) -> _Channel:
    filters = (channel.get("Filter") or {}).get("Key", {}).get("FilterRules", [])
    named = [(str(one["Name"]).lower(), unquote(str(one.get("Value") or ""))) for one in filters]
    suffix = "".join(value for name, value in named if name == "suffix")
    events = channel.get("Events", [])
    announces = frozenset(
        (ending, event)
        for ending, event in _EVERYTHING
        if ending.endswith(suffix) and (event in events or f"{_CREATED}*" in events)
    )
    prefix = "".join(value for name, value in named if name == "prefix")
    return _Channel(kind.removesuffix("Configurations"), prefix, announces)
