"""The plan of a backfill: what is wanted, what a job takes as well, how it is split, and what is left out."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opslib.archive import backfill_plan
from opslib.archive.backfill_plan import BackfillPlan, Candidate, Where, make_plan
from opslib.archive.backfill_render import plan_as_text
from opslib.archive.times import moment_ms
from opslib.errors import InvalidInput
from opslib.genesys.recordings import Dates, RecordingMetadata

NOW = datetime(2026, 2, 10, tzinfo=UTC)
WHERE = Where(api="https://api.mypurecloud.de", integration_id="i", integration="Lake", bucket="b")
VERIFIED = {"entry": 3, "at": "2026-02-09T00:00:00.000Z", "bucket": "b", "prefix": ""}


def recording(id: str, state: str = "AVAILABLE", media: str = "Trunk", **dates: datetime | None) -> RecordingMetadata:
    whole = {"delete_at": None, "export_at": None, "exported_at": None} | dates
    return RecordingMetadata(id, f"c-{id[0]}", state, "audio", media, Dates(**whole))


def plan(*rows: tuple[str, str | None, datetime], known: dict[str, Any], **options: Any) -> BackfillPlan:
    candidates = [
        Candidate(conversation_id=name, recording_id=id, ended_at_ms=moment_ms(ended)) for name, id, ended in rows
    ]
    return make_plan(candidates, known, WHERE, VERIFIED, now_ms=moment_ms(NOW), **options)


ENDED = NOW - timedelta(days=30)


def test_a_job_takes_whole_conversations_and_the_plan_says_so() -> None:
    """What is scheduled is counted beside, what was exported is skipped; screens are left out unless one is wanted."""
    known = [
        recording("a1"),
        recording("a2", export_at=NOW + timedelta(1)),
        recording("a3", export_at=ENDED, exported_at=ENDED),
        recording("a4", media="Screen"),
        recording("a5", state="DELETED"),
    ]
    made = plan(("c-a", "a1", ENDED), known={"c-a": known})
    assert [one.recording_id for one in made.wanted] == ["a1"]
    assert [one.recording_id for one in made.beside] == ["a2"]
    (job,) = made.jobs
    assert (made.skipped, job.recordings, job.screens, job.snippets) == (1, 2, False, False)
    assert job.start_ms < moment_ms(ENDED) < job.end_ms
    both = plan(("c-a", "a1", ENDED), ("c-a", "a4", ENDED), known={"c-a": known})
    assert (both.jobs[0].screens, both.jobs[0].recordings) == (True, 3)
    assert both.checksum != made.checksum


def test_a_row_of_a_conversation_stands_for_what_was_never_exported() -> None:
    known = [recording("a1"), recording("a2"), recording("a3", exported_at=ENDED)]
    made = plan(("c-a", None, ENDED), known={"c-a": known})
    assert [one.recording_id for one in made.wanted] == ["a1", "a2"]
    assert made.left_out == ()


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (None, "no such conversation"),
        ([recording("a1", exported_at=ENDED)], "was exported"),
        ([recording("a1", export_at=NOW)], "its export is set"),
        ([recording("a1", state="DELETED")], "DELETED"),
        ([recording("a1")], "job j could not export it"),
    ],
)
def test_what_cannot_be_exported_now_is_left_out_with_its_reason(known: Any, why: str) -> None:
    made = plan(("c-a", "a1", ENDED), known={"c-a": known}, failed={"a1": "j"})
    assert made.jobs == ()
    assert why in made.left_out[0].why
    assert "nothing to export" in plan_as_text(made)
    assert why in plan_as_text(made)


def test_what_ended_more_than_five_years_ago_is_left_out() -> None:
    made = plan(("c-a", "a1", NOW - timedelta(days=1826)), known={"c-a": [recording("a1")]})
    assert (made.jobs, len(made.left_out)) == ((), 1)


def test_jobs_are_short_and_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the ends of the conversations: none spans more than its days, or names more than its number."""
    monkeypatch.setattr(backfill_plan, "PER_JOB", 2)
    ends = [ENDED + timedelta(days=day) for day in (0, 0.5, 1, 9, 10)]
    rows = [(f"c-{name}", f"{name}1", end) for name, end in zip("abcde", ends, strict=True)]
    made = plan(*rows[::-1], known={name: [recording(id)] for name, id, _ in rows})
    assert [job.conversations for job in made.jobs] == [("c-a", "c-b"), ("c-c",), ("c-d", "c-e")]
    assert made.conversations == 5


def test_a_delete_date_before_the_export_date_is_shown() -> None:
    """Genesys exports such a recording when it deletes it. Without a date, each job exports at once."""
    known = [recording("a1", delete_at=NOW + timedelta(days=2)), recording("a2", delete_at=NOW + timedelta(days=9))]
    later = plan(("c-a", None, ENDED), known={"c-a": known}, export_at_ms=moment_ms(NOW + timedelta(days=3)))
    assert [one.recording_id for one in later.cut_short] == ["a1"]
    assert "1 are deleted at Genesys before that" in plan_as_text(later)
    at_once = plan(("c-a", None, ENDED), known={"c-a": known})
    assert at_once.cut_short == []
    assert "deleted first at Genesys" in plan_as_text(at_once)
    assert later.checksum != at_once.checksum


def test_recent_conversations_may_not_be_found_yet() -> None:
    made = plan(("c-a", "a1", NOW - timedelta(hours=47)), known={"c-a": [recording("a1")]})
    assert "1 of the conversations ended within 48 hours" in made.notes[0]


def test_the_checksum_is_of_what_will_be_done(tmp_path: Path) -> None:
    """Not of when it was asked, or what is left out; and a file of another plan is refused."""
    known = {"c-a": [recording("a1")], "c-b": None}
    made = plan(("c-a", "a1", ENDED), ("c-b", "b1", ENDED), known=known)
    again = plan(("c-a", "a1", ENDED), known=known).model_copy(update={"asked_at_ms": 1})
    assert made.checksum == again.checksum
    assert made.checksum != plan(("c-a", "a1", ENDED), known=known, sensitive=True).checksum
    path = tmp_path / "plan.json"
    made.write(path)
    assert BackfillPlan.read(path, made.checksum) == made
    path.write_text(path.read_text().replace('"sensitive":false', '"sensitive":true'))
    with pytest.raises(InvalidInput, match="unfinished backfill") as refused:
        BackfillPlan.read(path, made.checksum)
    assert "--abandon" in refused.value.fix


def test_text_of_an_org_begins_no_line() -> None:
    known = {"c-a": [recording("a\n1", delete_at=NOW)]}
    made = plan(("c-a", None, ENDED), known=known)
    assert "\n1" not in plan_as_text(made)
    assert json.dumps(made.as_json())
