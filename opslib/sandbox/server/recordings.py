"""Made-up recordings of a contact centre: an expected file's rows, the objects in S3, and what is wrong with them.

All of it follows the seed, times too. They run from October to the end of January: `month=1` without a slash after it
is also the beginning of `month=10` to `month=12`, and the order of the keys is not the order of the days.
"""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from opslib.sandbox.server.reasons import EXPORTED, reasons
from opslib.sandbox.server.world import Identity, utc

FIRST_DAY, DAYS = datetime(2025, 10, 1, tzinfo=UTC), 123
ON_TIME = timedelta(hours=24)

_EXTENSIONS = {"call": "opus", "screen": "webm", "chat": "txt", "email": "zip"}
_MEDIA = ("call",) * 17 + ("screen", "chat", "email")
_QUEUES = ("Sales", "Service", "Claims", "Zürich, second line")
# One recording in so many has each of the defects.
_ONE_IN = 40


@dataclass(frozen=True)
class Recording:
    """`wait`: from the end of the conversation until it is in the bucket."""

    conversation_id: str
    recording_id: str
    media: str
    queue: str
    started: datetime
    ended: datetime
    delete_at: datetime
    wait: timedelta

    def row(self) -> dict[str, str]:
        """Its line of the expected file."""
        return {
            "conversation_id": self.conversation_id,
            "recording_id": self.recording_id,
            "started_at": utc(self.started),
            "ended_at": utc(self.ended),
            "media": self.media,
            "queue": self.queue,
            "delete_at": utc(self.delete_at),
        }

    @property
    def arrived(self) -> datetime:
        """S3 keeps whole seconds."""
        return (self.ended + self.wait).replace(microsecond=0)


@dataclass(frozen=True)
class StoredObject:
    """`key` is below the prefix that recordings are written to."""

    key: str
    body: bytes
    last_modified: datetime


@dataclass
class Recordings:
    """`made`: the recordings of the rows, in their order.

    `truth`: by defect, or reason, the ids of the recordings that have it; of malformed keys, the keys.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    made: list[Recording] = field(default_factory=list)
    objects: list[StoredObject] = field(default_factory=list)
    truth: dict[str, list[str]] = field(default_factory=dict)


def make_recordings(identity: Identity, count: int, *, planted: bool) -> Recordings:
    """`count` recordings which all arrived in time, one of each conversation; or with every defect planted."""
    chance = random.Random(None if identity.seed is None else f"recordings {identity.seed}")  # noqa: S311 (no secrets)
    recordings = sorted((_recording(chance) for _ in range(count)), key=lambda recording: recording.ended)
    world = _Planting(chance, identity.org_id, recordings) if planted else _Faultless(chance, identity.org_id)
    for recording in recordings:
        world.add(recording)
    return world.recordings


def _recording(chance: random.Random) -> Recording:
    """One of the working day, as most are. A conversation may end on another day than it began."""
    hour = min(max(chance.gauss(13, 4), 0), 23.99)
    started = FIRST_DAY + timedelta(days=chance.randrange(DAYS), hours=hour, milliseconds=chance.randrange(1000))
    seconds = min(chance.lognormvariate(5.5, 1), 4 * 3600)
    ended = _whole_ms(started + timedelta(seconds=seconds))
    return Recording(
        conversation_id=_new_id(chance),
        recording_id=_new_id(chance),
        media=chance.choice(_MEDIA),
        queue=chance.choice(_QUEUES),
        started=_whole_ms(started),
        ended=ended,
        delete_at=ended + timedelta(days=3650),
        wait=timedelta(seconds=min(60 + chance.lognormvariate(7, 1), ON_TIME.total_seconds() / 2)),
    )


class _Faultless:
    """Writes each recording with its sidecar, below parts without padding."""

    def __init__(self, chance: random.Random, org_id: str) -> None:
        self.chance, self.org_id, self.recordings = chance, org_id, Recordings()

    def add(self, recording: Recording) -> None:
        self.expect(recording)
        self.store(recording, folder(self.org_id, recording))

    def expect(self, recording: Recording) -> None:
        self.recordings.rows.append(recording.row())
        self.recordings.made.append(recording)

    def store(
        self, recording: Recording, where: str, *, extension: str = "", empty: bool = False, sidecar: bool = True
    ) -> None:
        extension = extension or _EXTENSIONS[recording.media]
        body = b"" if empty else self.chance.randbytes(self.chance.randint(100, 400))
        key = f"{where}/{recording.recording_id}.{extension}"
        self.recordings.objects.append(StoredObject(key, body, recording.arrived))
        if sidecar:
            self.store_sidecar(recording, where, extension)

    def store_sidecar(self, recording: Recording, where: str, extension: str = "") -> None:
        extension = extension or _EXTENSIONS[recording.media]
        key = f"{where}/{recording.recording_id}.{extension}_metadata.json"
        text = json.dumps(_metadata(recording, self.chance)).encode()
        self.recordings.objects.append(StoredObject(key, text, recording.arrived + timedelta(seconds=1)))


class _Planting(_Faultless):
    """The same with defects: no recording has two of them, except that some missing ones are at risk.

    Of those that were exported and are missing, the sidecar is there. Some recordings share their conversation with
    another one, half of those with a missing one.
    """

    def __init__(self, chance: random.Random, org_id: str, recordings: list[Recording]) -> None:
        super().__init__(chance, org_id)
        self._share = max(1, len(recordings) // _ONE_IN)
        self._choose(recordings)
        self._share_conversations(recordings)
        for number in range(self._share):
            self._add_extra(number)
        for key in _malformed_keys(chance, org_id, self._share):
            self.recordings.objects.append(StoredObject(key, b"" if key.endswith("/") else b"not ours", FIRST_DAY))
            self.recordings.truth["malformed_keys"].append(key)

    def _choose(self, recordings: list[Recording]) -> None:
        """Which recordings have which defect. Too few recordings have the first ones only."""
        chosen = iter(self.chance.sample(recordings, len(recordings)))
        truth = self.recordings.truth
        for defect in ("missing", "late", "empty", "without_sidecar", "duplicate", "second_recording"):
            truth[defect] = [item.recording_id for _, item in zip(range(self._share), chosen, strict=False)]
        truth["at_risk"] = truth["missing"][::2]
        truth |= {"extra": [], "malformed_keys": []} | reasons(truth["missing"], truth["at_risk"])

    def _share_conversations(self, recordings: list[Recording]) -> None:
        places = {recording.recording_id: place for place, recording in enumerate(recordings)}
        missing = [recordings[places[name]] for name in self.recordings.truth["missing"]]
        others = [recording for recording in recordings if not self._defects(recording)]
        for number, name in enumerate(self.recordings.truth["second_recording"]):
            pool = others if number % 2 and others else missing
            first = pool[number // 2 % len(pool)]
            shared = {name: getattr(first, name) for name in ("conversation_id", "queue", "started", "ended")}
            recordings[places[name]] = replace(recordings[places[name]], **shared)

    def _defects(self, recording: Recording) -> set[str]:
        return {defect for defect, ids in self.recordings.truth.items() if recording.recording_id in ids}

    def add(self, recording: Recording) -> None:
        defects = self._defects(recording)
        if "late" in defects:
            recording = replace(recording, wait=ON_TIME + timedelta(hours=self.chance.uniform(1, 100)))
        if "at_risk" in defects:
            recording = replace(
                recording, delete_at=recording.ended + timedelta(days=30)
            )  # at risk whenever it is asked
        self.expect(recording)
        where = folder(self.org_id, recording, padded=self.chance.random() < 0.3)
        if "missing" in defects:
            if EXPORTED in defects:
                self.store_sidecar(recording, where)
            return
        self.store(recording, where, empty="empty" in defects, sidecar="without_sidecar" not in defects)
        if "duplicate" in defects:
            self._store_again(recording)

    def _store_again(self, recording: Recording) -> None:
        """Days later, as another file; what counts is when the first one came."""
        again = replace(recording, wait=recording.wait + timedelta(days=2))
        self.store(again, folder(self.org_id, recording), extension="wav")

    def _add_extra(self, number: int) -> None:
        """A recording without a row, within the time of the others."""
        extra = replace(_recording(self.chance), started=FIRST_DAY + timedelta(days=DAYS / 2, hours=number % 24))
        self.recordings.truth["extra"].append(extra.recording_id)
        self.store(extra, folder(self.org_id, extra))


def exported_later(org_id: str, recording: Recording, at: datetime) -> list[StoredObject]:
    """What arrives of a recording that is exported long after it was made."""
    world = _Faultless(random.Random(recording.recording_id), org_id)  # noqa: S311 (no secrets)
    world.store(replace(recording, wait=at - recording.ended), folder(org_id, recording))
    return world.recordings.objects


def folder(org_id: str, recording: Recording, *, padded: bool = False) -> str:
    """Where Genesys writes a recording: by the start of its conversation, UTC. Parts have been seen unpadded."""
    start, width = recording.started, 2 if padded else 1
    parts = (f"{name}={getattr(start, name):0{width}}" for name in ("month", "day", "hour"))
    return "/".join((org_id, f"year={start.year}", *parts, f"conversation_id={recording.conversation_id}"))


def _malformed_keys(chance: random.Random, org_id: str, count: int) -> Iterator[str]:
    """At least one of each kind: copied trees, parts that are missing or no date, and files that are no recordings."""
    year, end = f"{org_id}/year=2025", "conversation_id={c}/{r}.opus"
    kinds = (
        f"{year}/month=11/day=31/hour=7/{end}",
        f"{year}/month=13/day=1/hour=7/{end}",
        f"{year}/month=12/day=1/hour=24/{end}",
        f"{year}/month=12/day=1/{end}",
        f"{year}/month=12/day=1/hour=7/{{r}}.opus",
        f"{year}/month=12/day=1/hour=7/conversation_id=/{{r}}.opus",
        f"{year}/month=12/day=1/hour=7/conversation_id={{c}}/{{r}}",
        f"{year}/month=12/day=1/hour=7/conversation_id={{c}}/{{c}}.opus_call_metadata.json",
        f"{year}/month=12/day=1/hour=7/conversation_id={{c}}/{{c}}-{{r}}.transcript.json",
        f"{year}/month=12/day=1/hour=7/conversation_id={{c}}/{{r}}.opus.tmp",
        "originalAudio/conversation_id{c}/{r}.opus",
        "reports/{r} ü+1.csv",
        f"{year}/month=12/day=2/hour={{h}}/conversation_id={{c}}/",
    )
    for number in range(max(count, len(kinds))):
        yield kinds[number % len(kinds)].format(c=_new_id(chance), r=_new_id(chance), h=number % 24)


def _metadata(recording: Recording, chance: random.Random) -> dict[str, object]:
    """A sidecar's content, with the forms of time that have been seen."""
    ending = chance.choice(("+0000", "Z"))
    start, end = (utc(moment).replace("Z", ending) for moment in (recording.started, recording.ended))
    return {
        "mediaType": recording.media.title(),
        "mediaSubtype": "Screen" if recording.media == "screen" else "Trunk",
        "provider": "Edge",
        "userIds": [_new_id(chance)],
        "conversationId": recording.conversation_id,
        "recordingId": recording.recording_id,
        "startTime": start,
        "endTime": end,
        "durationMs": round((recording.ended - recording.started) / timedelta(milliseconds=1)),
        "initialDirection": chance.choice(("inbound", "outbound")),
    }


def _new_id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
