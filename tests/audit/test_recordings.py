"""Whether recordings arrive, as the report says it by what the ledger holds."""

from pathlib import Path

from opslib.archive.words import wrong_storage
from opslib.audit.exceptions import register
from opslib.audit.report import AuditReport

from .ledgers import Story


def _shown(home: Path, name: str = "recordings") -> str:
    return AuditReport.open(home=home).show(name).plain


def test_without_a_verification_the_section_says_so(tmp_path: Path) -> None:
    Story(tmp_path).walk()
    assert "The archive has not been verified." in _shown(tmp_path)


def test_the_newest_verification_counts(tmp_path: Path) -> None:
    """Counts, success rate, both clocks, each day, and what is missing and why; of this bucket only."""
    story = Story(tmp_path).walk()
    run = story.run.id
    story.again("archive").archive("PASS")
    story.again("archive").archive("FAIL", arrived=97, missing=3, at_risk=1)
    story.again("archive").archive("PASS", bucket="other")
    shown = AuditReport.open(run, tmp_path).show("recordings").plain
    for words in (
        "FAIL: 97 of 100 recordings that were due arrived, 3 missing, 1 of these at risk.",
        "Expected list | expected.csv, 100 rows",
        "Bucket | s3://b/, by listing",
        "Conversations that ended | from 2026-11-20T00:00:00.000Z to before 2026-11-21T00:00:00.000Z",
        "Missing | 3",
        "Success rate: arrived of those that were due | 97.000 %",
        "p95 | 120.5 s",
        "max | 2.0 h",
        "2026-11-20 | 100 | 97 | 3 | 0 | 0",
        "r-2 | 2026-11-20T08:00:00.000Z | not known | no object is in the bucket",
    ):
        assert words in shown


def test_many_missing_recordings_are_counted_not_all_listed(tmp_path: Path) -> None:
    Story(tmp_path).walk().archive("FAIL", arrived=50, missing=50)
    shown = _shown(tmp_path)
    assert "Missing recordings, the first 20 of 50" in shown
    assert shown.count("no object is in the bucket") == 20


def test_the_reasons_are_those_of_the_verification(tmp_path: Path) -> None:
    """With counts, fixes and what is at risk; those of another verification do not count."""
    story = Story(tmp_path).walk()
    story.again("archive").archive("FAIL", arrived=98, missing=2)
    story.explained(notes=["Whether a job failed is not known."])
    shown = _shown(tmp_path)
    for words in (
        "Why recordings are missing, as the org said",
        "Never exported | 1 | Do this.",
        "Exported, and not in the bucket | 1 | Do this.",
        "Whether a job failed is not known.",
        "At risk: missing, and deleted in Genesys within 30 days",
        "r-0 | 2026-12-01T08:00:00.000Z | Never exported | Do this before that.",
        "r-1 | 2026-11-20T08:00:00.000Z | not known | Exported, and not in the bucket: as the org says",
    ):
        assert words in shown
    story.again("archive").archive("FAIL", arrived=98, missing=2)
    shown = _shown(tmp_path)
    assert "Why recordings are missing" not in shown
    assert "r-1 | 2026-11-20T08:00:00.000Z | not known | no object is in the bucket" in shown


def test_a_list_from_analytics_says_until_when(tmp_path: Path) -> None:
    expected = {"name": "analytics", "available_until": "2026-11-21T00:00:00.000Z"}
    Story(tmp_path).walk().archive(expected=expected, notes=["It ends there."])
    shown = _shown(tmp_path)
    assert "the org's analytics, complete until 2026-11-21T00:00:00.000Z, 100 rows" in shown
    assert "It ends there." in shown
    assert "no screens, chats and emails" in _shown(tmp_path, "not_proven")


def test_objects_that_are_stored_wrong_are_counted(tmp_path: Path) -> None:
    kinds = [
        {"encryption": "NOT-SSE", "storage_class": "STANDARD", "objects": 12},
        {"encryption": "NOT-SSE", "storage_class": "DEEP_ARCHIVE", "objects": 1_000},
        {"encryption": "SSE-S3", "storage_class": "STANDARD", "objects": 5},
    ]
    Story(tmp_path).walk().archive(storage=[kind | {"wrong": wrong_storage(kind)} for kind in kinds])
    shown = _shown(tmp_path)
    assert "1,012 media objects are not encrypted at rest" in shown
    assert "1,000 media objects are in DEEP_ARCHIVE" in shown


def test_that_the_expected_list_is_complete_is_not_proven(tmp_path: Path) -> None:
    """The arrival is not among what was not shown any more."""
    Story(tmp_path).walk().archive()
    shown = _shown(tmp_path, "not_proven")
    assert "The list of expected recordings is complete | It comes from expected.csv" in shown
    assert "Recordings arrive in the bucket |" not in shown


def test_backfills_are_named_with_who_approved_them_and_how_they_ended(tmp_path: Path) -> None:
    """Whether anything arrived is not known until the next verification."""
    story = Story(tmp_path).walk()
    story.archive("FAIL", arrived=97, missing=3)
    assert "Backfills" not in _shown(tmp_path)
    story.backfill("done")
    story.backfill("abandoned")
    story.backfill(sensitive=True)
    shown = _shown(tmp_path)
    for words in (
        "3 never exported, at once | export dates set for 2, 1 failed",
        "given up; export dates set for 2, 1 failed",
        "3 never exported, at once, with sensitive data (the court asked) | unfinished",
        "whether its recordings arrived is not known",
    ):
        assert words in shown
    (agreed,) = register(AuditReport.open(home=tmp_path).facts)
    assert (agreed.name, agreed.reason, agreed.state) == ("sensitive-recordings", "the court asked", "in force")
    story.archive("PASS")
    assert "whether its recordings arrived is not known" not in _shown(tmp_path)
