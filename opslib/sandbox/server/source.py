"""What Genesys itself knows of the recordings: dates of export and deletion, states, orphans.

All of it follows the seed, except what must lie ahead: that counts from the start of the sandbox.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal

from opslib.sandbox.server import reasons
from opslib.sandbox.server.destinations import Destination
from opslib.sandbox.server.recordings import Recording, Recordings
from opslib.sandbox.server.world import World

FileState = Literal["AVAILABLE", "UPLOADING", "DELETED"]

# After the end of the conversation.
_EXPORTED_AFTER, _DELETED_AFTER = timedelta(minutes=1), timedelta(days=20)
# After the start of the sandbox.
_EXPORT_AHEAD, _DELETE_AHEAD = timedelta(days=7), timedelta(days=3)
_ORPHAN_STATES = ("CONVERSATION_NOT_EVALUATED", "UNKNOWN_CONVERSATION", "CONVERSATION_NOT_COMPLETE")


@dataclass
class SourceRecording:
    """One recording at Genesys.

    `exported_date`: when its bytes left for S3. `destination`: where a job exports it to. `fails`: a job cannot
    export it; `lost`: a job exports it, and it does not arrive.
    """

    recording: Recording
    delete_date: datetime
    export_date: datetime | None = None
    exported_date: datetime | None = None
    state: FileState = "AVAILABLE"
    orphan_status: str | None = None
    sensitive: bool = False
    fails: bool = False
    lost: bool = False
    destination: Destination | None = None

    @property
    def id(self) -> str:
        return self.recording.recording_id

    @property
    def conversation_id(self) -> str:
        return self.recording.conversation_id

    @property
    def exportable(self) -> bool:
        """Whether an export job finds it at all."""
        return self.orphan_status is None and self.state == "AVAILABLE"


class Source:
    """Every recording of the org; none without a seeded world. Only the event loop touches it."""

    def __init__(self, world: World, recordings: Recordings | None) -> None:
        self._world = world
        self._recordings = list(_known(recordings, datetime.now(UTC)).values()) if recordings else []
        self._scheduled: dict[str, SourceRecording] = {}
        self._on_the_way: list[SourceRecording] = []
        self._by_conversation: dict[str, list[SourceRecording]] = {}
        for one in self._recordings:
            self._by_conversation.setdefault(one.conversation_id, []).append(one)

    def all(self) -> list[SourceRecording]:
        self._export()
        return self._recordings

    def of_conversation(self, conversation_id: str) -> list[SourceRecording] | None:
        """Its recordings without orphans; None where there is no such conversation."""
        self._export()
        found = self._by_conversation.get(conversation_id)
        return None if found is None else [one for one in found if one.orphan_status is None]

    def conversations(self) -> list[list[SourceRecording]]:
        """The recordings of each conversation that is in the data lake, by the conversation's start."""
        self._export()
        until = self.available_until()
        listed = [every for every in self._by_conversation.values() if every[0].recording.ended < until]
        return sorted(listed, key=lambda every: every[0].recording.started)

    def available_until(self) -> datetime:
        """Until when the data lake is complete."""
        return datetime.now(UTC) - timedelta(seconds=self._world.settings.data_lag_s)

    def schedule(self, one: SourceRecording, at: datetime, where: Destination) -> None:
        """Set the date of its export, which is never after its deletion."""
        one.export_date, one.destination = min(at, one.delete_date), where
        self._scheduled[one.id] = one

    @property
    def exporting(self) -> bool:
        """Whether a job's exports may be on their way to S3, or will be. Any thread may ask."""
        return bool(self._scheduled or self._on_the_way)

    def arrivals(self) -> Iterator[SourceRecording]:
        """What arrives in S3 now, each once; it is on its way until the next one is asked for."""
        self._export()
        while self._on_the_way:
            if not self._on_the_way[0].lost:
                yield self._on_the_way[0]
            del self._on_the_way[0]

    def _export(self) -> None:
        """Export what a job has scheduled until now."""
        lag, now = timedelta(seconds=self._world.settings.export_lag_s), datetime.now(UTC)
        due = [one for one in self._scheduled.values() if one.export_date and one.export_date + lag <= now]
        for one in due:
            one.exported_date = now
            del self._scheduled[one.id]
        self._on_the_way += due


def _known(recordings: Recordings, start: datetime) -> Mapping[str, SourceRecording]:
    """The recordings by id, each as the truth has it; without a reason to the contrary, exported and arrived."""
    known = {made.recording_id: _exported(made) for made in recordings.made}

    def planted(name: str) -> list[SourceRecording]:
        return [known[id] for id in recordings.truth.get(name, [])]

    for one in planted(reasons.DUE):
        one.delete_date = start + _DELETE_AHEAD
    for name in set(reasons.REASONS) - {reasons.EXPORTED}:
        for one in planted(name):
            one.export_date = one.exported_date = None
    for one in planted(reasons.SCHEDULED):
        one.export_date = min(start + _EXPORT_AHEAD, one.delete_date)
    for one in planted(reasons.UPLOADING):
        one.state = "UPLOADING"
    for number, one in zip(count(), planted(reasons.ORPHANED)):
        one.orphan_status = _ORPHAN_STATES[number % len(_ORPHAN_STATES)]
    for one in planted(reasons.DELETED):
        one.state, one.delete_date = "DELETED", one.recording.ended + _DELETED_AFTER
    for one in planted(reasons.SENSITIVE):
        one.sensitive = True
    for one in planted(reasons.FAILS):
        one.fails = True
    for one in planted(reasons.LOST):
        one.lost = True
    return known


def _exported(made: Recording) -> SourceRecording:
    sent = made.ended + _EXPORTED_AFTER
    return SourceRecording(made, made.delete_at, export_date=sent, exported_date=max(made.arrived, sent))
