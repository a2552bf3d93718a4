"""Why a recording is missing, by each thing that Genesys may say of it."""

from dataclasses import replace

import pytest

from opslib.archive.missing import Missing
from opslib.archive.reasons import (
    DELETED,
    EXPORTED,
    FAILED,
    NEVER_EXPORTED,
    NOT_KNOWN,
    ORPHANED,
    SCHEDULED,
    UPLOADING,
    WORDS,
    Beside,
    Policies,
    Recorded,
    Unanswered,
    explained,
    fix_of,
)
from opslib.archive.why import Why
from opslib.errors import PermissionMissing, ServerFailure

from .world import conversation, recording

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
BEFORE, LATER = NOW_MS - DAY_MS, NOW_MS + DAY_MS
MISSING = Missing(conversation(1), recording(1), BEFORE, None)
WHOLE = replace(MISSING, recording_id=None)
AT_REST = Recorded(recording(1), "AVAILABLE", LATER, None, None)
ASKED = Beside(NOW_MS)


@pytest.mark.parametrize(
    ("said", "beside", "reason"),
    [
        ({}, {}, NEVER_EXPORTED),
        ({"state": "ARCHIVED"}, {}, NEVER_EXPORTED),
        ({"export_at_ms": LATER}, {}, SCHEDULED),
        ({"export_at_ms": LATER}, {"failed_in": {recording(1): "j"}}, SCHEDULED),  # somebody set it after the job
        ({"export_at_ms": BEFORE}, {}, SCHEDULED),
        ({"export_at_ms": BEFORE}, {"failed_in": {recording(1): "j"}}, FAILED),
        ({}, {"failed_in": {recording(1): "j"}}, FAILED),
        ({"export_at_ms": BEFORE, "exported_at_ms": BEFORE}, {}, EXPORTED),
        ({"state": "UPLOADING"}, {}, UPLOADING),
        ({"state": "DELETED", "exported_at_ms": BEFORE}, {}, DELETED),
        ({"state": "ERROR"}, {}, NOT_KNOWN),
    ],
)
def test_by_its_metadata_and_jobs(said: dict, beside: dict, reason: str) -> None:
    (row,) = explained(MISSING, [replace(AT_REST, **said)], replace(ASKED, **beside))
    assert (row.reason, row.recording_id, row.delete_at_ms) == (reason, recording(1), LATER)
    assert row.said
    assert row.fix.endswith(".")
    assert "{" not in row.fix


@pytest.mark.parametrize("row", [MISSING, WHOLE])
@pytest.mark.parametrize(
    ("beside", "delete_at_ms", "reason"),
    [
        ({}, None, NOT_KNOWN),
        ({}, BEFORE, DELETED),
        ({}, LATER, NOT_KNOWN),
        ({"orphans": "NO_CONVERSATION"}, BEFORE, ORPHANED),
        ({"uploads": "WaitForConversation"}, None, ORPHANED),
        ({"uploads": "Pending"}, BEFORE, UPLOADING),
        ({"uploads": "Failure"}, None, UPLOADING),
        ({"uploads": "Success"}, None, NOT_KNOWN),
    ],
)
def test_what_genesys_does_not_list(row: Missing, beside: dict, delete_at_ms: int | None, reason: str) -> None:
    """Uploads and orphans tell, by the recording or by its conversation; else whether its deletion was due."""
    id = row.recording_id or row.conversation_id
    known = replace(ASKED, **{name: {id: status} for name, status in beside.items()})
    (found,) = explained(replace(row, delete_at_ms=delete_at_ms), [], known)
    assert (found.reason, found.recording_id) == (reason, row.recording_id)


def test_another_recording_of_the_conversation_is_no_answer() -> None:
    (row,) = explained(MISSING, [replace(AT_REST, id=recording(2))], ASKED)
    assert row.reason == NOT_KNOWN


def test_ids_are_compared_as_uuids() -> None:
    """A list may write them without dashes, or in capitals."""
    spelled = replace(MISSING, recording_id=recording(1).replace("-", "").upper())
    (row,) = explained(spelled, [AT_REST], replace(ASKED, failed_in={recording(1): "j"}))
    assert (row.reason, row.recording_id) == (FAILED, spelled.recording_id)


def test_a_conversation_has_the_reason_of_its_recordings() -> None:
    """One row for all; where they differ, a row for each. What is deleted first counts."""
    later = Recorded(recording(2), "AVAILABLE", LATER + 1, None, None)
    (same,) = explained(WHOLE, [later, AT_REST], ASKED)
    assert (same.recording_id, same.reason, same.delete_at_ms) == (None, NEVER_EXPORTED, LATER)
    differ = explained(WHOLE, [AT_REST, replace(later, state="UPLOADING")], ASKED)
    assert [(row.recording_id, row.reason) for row in differ] == [
        (recording(1), NEVER_EXPORTED),
        (recording(2), UPLOADING),
    ]
    assert Why({}, differ, NOW_MS).of(conversation(1), None) == differ


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (None, "no policy matched it, or it ended before the policy was made"),
        (Policies(0, None, None), "no policy that is switched on exports"),
        (Policies(2, BEFORE + 1, LATER), "policies do not look back"),
        (Policies(2, BEFORE - 1, BEFORE), "no policy that exports matched it"),
        (Policies(2, BEFORE - 1, BEFORE + 1), "or it ended before the policy was made or changed"),
        (Policies(1, None, None), "or it ended before the policy was made or changed"),
    ],
)
def test_never_exported_is_told_apart_by_the_policies(policies: Policies | None, words: str) -> None:
    (row,) = explained(MISSING, [AT_REST], replace(ASKED, policies=policies))
    assert words in row.said


def test_what_is_not_known_names_the_permission_or_the_cause() -> None:
    refused = Unanswered.of(PermissionMissing("T", cause="C", fix="f"), "a:b:view")
    failed = Unanswered.of(ServerFailure("T", cause="C", fix="try later"), "a:b:view")
    assert ("a:b:view" in refused.cause, "a:b:view" in refused.fix) == (True, True)
    assert failed == Unanswered("T: C", "Try later; then run `opslib archive why`.")
    (row,) = explained(MISSING, refused, ASKED)
    assert (row.reason, row.said, row.fix) == (NOT_KNOWN, refused.cause, refused.fix)
    overdue = replace(MISSING, delete_at_ms=BEFORE)  # it may be an orphan, which nobody could be asked about
    (lost,) = explained(overdue, [], replace(ASKED, unlisted=failed))
    assert (lost.reason, lost.said) == (NOT_KNOWN, "T: C")


def test_the_fix_says_until_when() -> None:
    """Genesys's date counts over the list's; where that has passed, at once."""
    listed = replace(MISSING, delete_at_ms=LATER + DAY_MS)
    fixes = {
        after: explained(listed, [replace(AT_REST, delete_at_ms=after)], ASKED)[0].fix
        for after in (LATER, BEFORE, None)
    }
    assert "before 2027-01-16 08:00 UTC" in fixes[LATER]
    assert "at once" in fixes[BEFORE]
    assert "before 2027-01-17 08:00 UTC" in fixes[None]


def test_each_reason_has_words_and_a_fix() -> None:
    assert all(fix_of(name) for name in WORDS if name != NOT_KNOWN)


def rows(*said: tuple[str, int | None]) -> list:
    return [
        replace(explained(MISSING, [AT_REST], ASKED)[0], reason=reason, delete_at_ms=delete, recording_id=str(number))
        for number, (reason, delete) in enumerate(said)
    ]


def test_at_risk_is_what_is_deleted_soon_and_still_there() -> None:
    """Soonest first, also what is overdue; not what is gone, or has no date."""
    why = Why(
        {},
        rows(
            (NEVER_EXPORTED, NOW_MS + 31 * DAY_MS), (EXPORTED, LATER), (DELETED, BEFORE), (NOT_KNOWN, BEFORE),
            (UPLOADING, None), (SCHEDULED, NOW_MS + 30 * DAY_MS),
        ),
        NOW_MS,
    )  # fmt: skip
    assert [row.recording_id for row in why.at_risk] == ["3", "1", "5"]
    assert [row.recording_id for row in replace(why, within_days=1.0).at_risk] == ["3", "1"]


def test_reasons_are_counted_and_causes_of_what_is_not_known_apart() -> None:
    found = rows((NOT_KNOWN, None), (NOT_KNOWN, None), (EXPORTED, None))
    found[0] = replace(found[0], said="another cause")
    why = Why({}, found, NOW_MS)
    assert why.reasons == {EXPORTED: 1, NOT_KNOWN: 2}
    assert [(group.reason, group.count) for group in why.groups] == [(EXPORTED, 1), (NOT_KNOWN, 1), (NOT_KNOWN, 1)]
