"""Why a recording is missing, by what Genesys says of it, and what to do.

Genesys exports each recording once, and skips it afterwards. What Genesys does not list may still be uploaded, be an
orphan, or be deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from opslib.archive.ids import canonical
from opslib.archive.missing import Missing
from opslib.archive.times import time_words
from opslib.errors import OpslibError, PermissionMissing

NEVER_EXPORTED: Final = "never_exported"
SCHEDULED: Final = "export_scheduled"
FAILED: Final = "export_failed"
EXPORTED: Final = "exported_not_in_bucket"
UPLOADING: Final = "still_uploading"
ORPHANED: Final = "orphaned"
DELETED: Final = "deleted_at_source"
NOT_KNOWN: Final = "not_known"

WORDS: Final = {
    NEVER_EXPORTED: "Never exported",
    FAILED: "Failed in an export job",
    EXPORTED: "Exported, and not in the bucket",
    SCHEDULED: "Export scheduled",
    UPLOADING: "Still uploading",
    ORPHANED: "Orphaned",
    DELETED: "Deleted at the source",
    NOT_KNOWN: "Not known",
}
"""Each reason in words, those first for which something can be done."""

_BEFORE: Final = "{before}"
_FIXES: Final = {
    NEVER_EXPORTED: "Export it{before}: `opslib archive backfill`.",
    FAILED: "Read the job's errorMessage, and export it{before} with another job.",
    EXPORTED: "Download it{before} (POST /api/v2/recording/batchrequests, up to 100 in a request) and put it into the "
    "bucket yourself: Genesys exports a recording once, so a new job skips it.",
    SCHEDULED: "Wait for its export, and verify again.",
    UPLOADING: "Wait for its upload, and verify again.",
    ORPHANED: "Assign it to its conversation, or set its export date{before} (PUT /api/v2/orphanrecordings/ID): "
    "orphans are not exported otherwise.",
    DELETED: "Nothing is left at Genesys: look for it among the bucket's versions and replicas.",
}
_OVERDUE: Final = "Check that the S3 integration is active, and verify again{before}."
_SUPPORT: Final = "Ask Genesys support{before}, with its id."
_NOT_LISTED: Final = "Ask Genesys support{before} whether it was deleted, with its id."

_ORPHANS: Final = {
    "NO_CONVERSATION": "it belongs to no conversation",
    "UNKNOWN_CONVERSATION": "its conversation is not known",
    "CONVERSATION_NOT_COMPLETE": "its conversation is not complete",
    "CONVERSATION_NOT_EVALUATED": "the policies have not been applied to its conversation",
    "EVALUATED": "the policies have been applied to it",
}


def fix_of(reason: str) -> str:
    """What to do about a reason, in one sentence."""
    return _FIXES[reason].replace(_BEFORE, "")


@dataclass(frozen=True)
class Recorded:
    """What Genesys says of one recording: its state (`fileState`) and its dates, in milliseconds."""

    id: str
    state: str
    delete_at_ms: int | None
    export_at_ms: int | None
    exported_at_ms: int | None

    @property
    def not_exported(self) -> bool:
        """Whether an export job may have failed for it."""
        return self.exported_at_ms is None and self.state not in ("DELETED", "UPLOADING")


@dataclass(frozen=True)
class Unanswered:
    """Why something is not known, and what would help."""

    cause: str
    fix: str

    @classmethod
    def of(cls, error: OpslibError, permission: str = "") -> "Unanswered":
        """By the error that came instead of an answer; `permission`: what the client needs to ask."""
        if permission and isinstance(error, PermissionMissing):
            fix = f"Add the permission {permission} to the role of the OAuth client, then run `opslib archive why`."
            return cls(f"the OAuth client lacks {permission}", fix)
        fix = error.fix[:1].upper() + error.fix[1:]
        return cls(f"{error.title}: {error.cause}", f"{fix}; then run `opslib archive why`.")


@dataclass(frozen=True)
class Policies:
    """The policies that are switched on and export: how many, when the oldest was made, and since when all are as they
    are now; None where that is not said."""

    count: int
    since_ms: int | None
    unchanged_since_ms: int | None


@dataclass(frozen=True)
class Beside:
    """What the org says beside the metadata; empty where it was not asked. `uploads` and `orphans` have statuses, by
    the id of a recording or a conversation; `failed_in`, by that of a recording, the id of a job.

    `unlisted`: why uploads or orphans could not be asked for.
    """

    now_ms: int
    uploads: Mapping[str, str] = field(default_factory=dict)
    orphans: Mapping[str, str] = field(default_factory=dict)
    failed_in: Mapping[str, str] = field(default_factory=dict)
    policies: Policies | None = None
    unlisted: Unanswered | None = None


@dataclass(frozen=True)
class Explained:
    """A missing recording with its reason; without `recording_id`, all recordings of the conversation have it.
    `by_conversation`: the list has a row for its conversation only."""

    conversation_id: str
    recording_id: str | None
    ended_at_ms: int
    delete_at_ms: int | None
    reason: str
    said: str
    fix: str
    export_at_ms: int | None = None
    exported_at_ms: int | None = None
    by_conversation: bool = False


@dataclass(frozen=True)
class _Reason:
    name: str
    said: str
    fix: str = ""

    @property
    def template(self) -> str:
        return self.fix or _FIXES[self.name]


def own(missing: Missing, recordings: Sequence[Recorded]) -> list[Recorded]:
    """Those of the conversation's recordings that a row is about: the one that it names, or all."""
    wanted = missing.recording_id and canonical(missing.recording_id)
    return [one for one in recordings if wanted is None or canonical(one.id) == wanted]


def explained(missing: Missing, recordings: Sequence[Recorded] | Unanswered, beside: Beside) -> list[Explained]:
    """The reason of a row, by the recordings that Genesys lists of its conversation. A row that stands for the
    conversation becomes a row for each recording where their reasons differ."""
    if isinstance(recordings, Unanswered):
        return [_row(missing, None, _Reason(NOT_KNOWN, recordings.cause, recordings.fix), beside)]
    listed = own(missing, recordings)
    if not listed:
        return [_row(missing, None, _reason_of_unlisted(missing, beside), beside)]
    rows = [_row(missing, one, _reason(one, missing, beside), beside) for one in listed]
    if missing.recording_id or len({row.reason for row in rows}) > 1:
        return rows
    first = min(rows, key=lambda row: (row.delete_at_ms is None, row.delete_at_ms))
    return [replace(first, recording_id=None)]


def _row(missing: Missing, one: Recorded | None, reason: _Reason, beside: Beside) -> Explained:
    """Genesys's own delete date counts over that of the expected file."""
    delete_at_ms = missing.delete_at_ms if one is None or one.delete_at_ms is None else one.delete_at_ms
    return Explained(
        missing.conversation_id,
        missing.recording_id or (one.id if one else None),
        missing.ended_at_ms,
        delete_at_ms,
        reason.name,
        reason.said,
        reason.template.replace(_BEFORE, _before(delete_at_ms, beside.now_ms)),
        one.export_at_ms if one else None,
        one.exported_at_ms if one else None,
        by_conversation=missing.recording_id is None,
    )


def _reason(one: Recorded, missing: Missing, beside: Beside) -> _Reason:
    if one.state == "DELETED":
        return _Reason(DELETED, "Genesys has deleted it")
    if one.exported_at_ms is not None:
        return _Reason(
            EXPORTED, f"exported {time_words(one.exported_at_ms)}, and lost since, or sent to another bucket"
        )
    if one.state == "UPLOADING":
        return _Reason(UPLOADING, "it is not at Genesys as a whole yet")
    if one.export_at_ms is not None and one.export_at_ms > beside.now_ms:
        return _Reason(SCHEDULED, f"its export is set for {time_words(one.export_at_ms)}")
    if job := beside.failed_in.get(canonical(one.id)):
        return _Reason(FAILED, f"job {job} could not export it")
    if one.export_at_ms is not None:
        return _Reason(SCHEDULED, f"its export was due {time_words(one.export_at_ms)} and is not done", _OVERDUE)
    if one.state == "ERROR":
        return _Reason(NOT_KNOWN, "Genesys reports an error of its file", _SUPPORT)
    return _Reason(NEVER_EXPORTED, _why_never(missing.ended_at_ms, beside.policies))


def _why_never(ended_at_ms: int, policies: Policies | None) -> str:
    if policies is None:
        return "no policy matched it, or it ended before the policy was made"
    if not policies.count:
        return "no policy that is switched on exports recordings"
    if policies.since_ms is not None and ended_at_ms < policies.since_ms:
        return f"it ended before a policy exported ({time_words(policies.since_ms)}), and policies do not look back"
    if policies.unchanged_since_ms is not None and ended_at_ms >= policies.unchanged_since_ms:
        return "no policy that exports matched it"
    return "no policy matched it, or it ended before the policy was made or changed"


def _reason_of_unlisted(missing: Missing, beside: Beside) -> _Reason:
    id = canonical(missing.recording_id or missing.conversation_id)
    upload = beside.uploads.get(id)
    if (status := beside.orphans.get(id)) or upload == "WaitForConversation":
        return _Reason(ORPHANED, _ORPHANS.get(status or "", status or "it waits for its conversation"))
    if upload == "Pending":
        return _Reason(UPLOADING, "its upload is pending")
    if upload == "Failure":
        return _Reason(UPLOADING, "its upload failed", _SUPPORT)
    if beside.unlisted:
        return _Reason(NOT_KNOWN, beside.unlisted.cause, beside.unlisted.fix)
    if missing.delete_at_ms is not None and missing.delete_at_ms <= beside.now_ms:
        return _Reason(DELETED, f"its deletion was due {time_words(missing.delete_at_ms)}, and it is not listed")
    return _Reason(NOT_KNOWN, "Genesys does not list it: it was deleted, or nothing was recorded", _NOT_LISTED)


def _before(delete_at_ms: int | None, now_ms: int) -> str:
    if delete_at_ms is None:
        return ""
    return f" before {time_words(delete_at_ms)}" if delete_at_ms > now_ms else " at once"
