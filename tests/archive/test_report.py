"""The verdict by its rules, the document that checks rely on, and the lists as files."""

import csv
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from opslib.archive.arrived import Gap, rows
from opslib.archive.expected import read_expected
from opslib.archive.render import as_text
from opslib.archive.report import Verification, remove_lists, verify
from opslib.archive.verification import LISTS
from opslib.archive.words import storage_sentences
from opslib.widgets.archive_results import verification_html

from .world import HOUR_MS, NOW, START_MS, Object, Row, expected_file, parts

ROW = Row(1, 1, START_MS, media="voice", queue="=sales")
FOUND = Object(1, 1, START_MS + HOUR_MS)
SIDECAR = FOUND.sidecar()
RECENT_MS = int(NOW.timestamp() * 1000) - HOUR_MS


def verified(folder: Path, rows: Sequence[Row], objects: Sequence[Object], **asked: Any) -> Verification:
    return verify(expected_file(folder, rows), parts(folder, objects), folder, **{"now": NOW, **asked})


@pytest.mark.parametrize(
    ("rows", "objects", "verdict"),
    [
        ([ROW], [FOUND, SIDECAR], "PASS"),
        ([ROW], [FOUND, SIDECAR, Object(9, 9)], "PASS"),  # an extra one changes nothing
        ([ROW], [FOUND], "WARN"),
        ([ROW], [FOUND, SIDECAR, Object(1, 1, suffix=".wav")], "WARN"),
        ([ROW], [Object(1, 1, START_MS + 25 * HOUR_MS), SIDECAR], "WARN"),
        ([ROW], [FOUND, SIDECAR, Object(key="readme.txt")], "WARN"),
        ([ROW], [SIDECAR], "FAIL"),
        ([ROW], [Object(1, 1, size=0), SIDECAR], "FAIL"),
        ([ROW, Row(2, 2, START_MS)], [FOUND, SIDECAR], "FAIL"),
        ([], [FOUND, SIDECAR], "UNKNOWN"),
        ([Row(1, 1, RECENT_MS)], [], "UNKNOWN"),
    ],
)
def test_the_verdict_follows_from_what_was_found(
    tmp_path: Path, rows: list[Row], objects: list[Object], verdict: str
) -> None:
    found = verified(tmp_path, rows, objects)
    assert found.verdict == verdict
    assert bool(found.reasons) == (verdict != "PASS")


@pytest.mark.parametrize("objects", [[FOUND, SIDECAR], []])
def test_a_listing_that_was_cut_off_is_unknown(tmp_path: Path, objects: list[Object]) -> None:
    """Neither PASS nor FAIL, whatever was found until then."""
    expected = expected_file(tmp_path, [ROW])
    arrived = parts(tmp_path, objects, complete=False)
    assert verify(expected, arrived, tmp_path, now=NOW).verdict == "UNKNOWN"
    arrived.finish([Gap("s3://bucket/a/", "AccessDenied")])
    denied = verify(expected, arrived, tmp_path, now=NOW)
    assert denied.verdict == "UNKNOWN"
    assert denied.reasons == [
        "s3://bucket/a/ was not read: AccessDenied",
        "All figures are of what was read: a recording in the rest counts as missing.",
    ]


def test_each_fix_is_shown_once_and_not_all_of_many_gaps(tmp_path: Path) -> None:
    arrived = parts(tmp_path, [], complete=False)
    arrived.finish([Gap(f"s3://bucket/{number}/", "AccessDenied", "allow s3:ListBucket") for number in range(100)])
    shown = as_text(verify(expected_file(tmp_path, [ROW]), arrived, tmp_path, now=NOW))
    assert shown.count("Fix: allow s3:ListBucket") == 1
    assert shown.count("was not read") == 20
    assert "and 81 more" in shown


def test_a_prefix_with_nothing_below_it_is_doubted(tmp_path: Path) -> None:
    assert verified(tmp_path, [ROW], []).reasons[-1].endswith("check the bucket and the prefix.")


def test_the_document_has_what_checks_rely_on(tmp_path: Path) -> None:
    rows = [ROW, Row(2, 2, START_MS + HOUR_MS, START_MS, "chat"), Row(3, None, START_MS + 30 * HOUR_MS)]
    document = json.loads(json.dumps(verified(tmp_path, rows, [FOUND, SIDECAR]).as_json()))
    assert document["verdict"] == "FAIL"
    assert (document["since"], document["until"]) == ("2025-01-01T00:00:00.000Z", "2025-01-02T06:00:00.001Z")
    assert document["judged_until"] == document["until"]
    assert document["counts"] == {
        "expected": 3, "arrived": 1, "late": 0, "not_due": 0, "missing": 2, "extra": 0, "duplicate": 0, "empty": 0,
        "without_sidecar": 0, "malformed_keys": 0, "at_risk": 1,
    }  # fmt: skip
    assert document["success_rate"] == pytest.approx(1 / 3)
    assert document["latency_s"]["max"] == 3600
    assert document["latency_s"]["p50"] == pytest.approx(3600, rel=0.022)
    assert (document["latency_s"]["from"], document["latency_s"]["to"]) == ("conversation_end", "s3_last_modified")
    assert [(day["day"], day["expected"], day["missing"]) for day in document["days"]] == [
        ("2025-01-01", 2, 1), ("2025-01-02", 1, 1),
    ]  # fmt: skip
    assert [(one["media"], one["missing"]) for one in document["days"][0]["media"]] == [("chat", 1), ("voice", 0)]
    assert document["missing"][0]["delete_at"] == "2025-01-01T00:00:00.000Z"
    assert [row["reason"] for row in document["missing"]] == [
        "no object is in the bucket", "no recording of the conversation is in the bucket",
    ]  # fmt: skip
    assert document["rows_for_conversations"] == 1


def test_without_a_row_there_are_no_figures(tmp_path: Path) -> None:
    document = verified(tmp_path, [], []).as_json()
    assert (document["success_rate"], document["since"], document["until"]) == (None, None, None)
    assert document["latency_s"] == {
        "p50": None, "p95": None, "p99": None, "max": None, "from": "conversation_end", "to": "s3_last_modified",
    }  # fmt: skip
    assert document["days"] == document["missing"] == []


def test_the_folder_that_all_is_kept_in_gives_no_columns(tmp_path: Path) -> None:
    """DuckDB would read `media=chat` in a path as a column, and use it instead of the file's."""
    folder = tmp_path / "media=chat" / "kind=2" / "row=1"
    found = verified(folder, [ROW, ROW, Row(2, 2, START_MS, media="voice")], [FOUND, SIDECAR], out=folder / "out")
    assert (found.verdict, found.counts["arrived"], found.counts["malformed_keys"]) == ("FAIL", 1, 0)
    assert [one["media"] for one in found.as_json()["days"][0]["media"]] == ["voice"]


def test_an_id_with_a_line_break_begins_no_line(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text(f'conversation_id,ended_at\n"c\nPASS: all is well",{START_MS}\n')
    expected = read_expected(tmp_path / "file.csv", tmp_path)
    shown = as_text(verify(expected, parts(tmp_path, []), tmp_path, now=NOW))
    assert "all is well" in shown
    assert not any(line.startswith("PASS") for line in shown.splitlines())


def test_only_the_interval_is_judged(tmp_path: Path) -> None:
    """From `since` to before `until`, and never beyond now."""
    rows = [Row(number, number, START_MS + number * HOUR_MS) for number in range(6)]
    start = datetime.fromisoformat("2025-01-01T00:00:00Z")
    asked = {"since": start + timedelta(hours=1), "until": start + timedelta(hours=4)}
    assert verified(tmp_path, rows, [], **asked).counts["expected"] == 3
    early = verified(tmp_path, rows, [], **asked, now=start + timedelta(hours=2)).as_json()
    assert early["counts"]["expected"] == early["counts"]["not_due"] == 1
    assert early["judged_until"] == "2025-01-01T02:00:00.000Z"


def test_the_hours_that_are_allowed_decide_what_is_late_and_due(tmp_path: Path) -> None:
    rows = [ROW, Row(2, 2, RECENT_MS - HOUR_MS)]
    assert verified(tmp_path, rows, [FOUND, SIDECAR], within_hours=0.5).counts["late"] == 1
    assert verified(tmp_path, rows, [FOUND, SIDECAR], within_hours=1).counts["late"] == 0
    assert verified(tmp_path, rows, [FOUND], within_hours=1).counts["missing"] == 1
    assert verified(tmp_path, rows, [FOUND], within_hours=2).counts["missing"] == 0


def test_each_list_is_a_parquet_file_and_a_csv_file(tmp_path: Path) -> None:
    """Also an empty one; with the ids as the file spells them, times as text, and no formula."""
    rows = [ROW, Row(2, 2, START_MS, queue="=cmd()")]
    objects = [FOUND, Object(key="=cmd()"), Object(9, 9), Object(9, 9, suffix=".wav"), Object(9, 9)]
    found = verified(tmp_path, rows, objects, out=tmp_path / "out")
    for name in LISTS:
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == pq.read_metadata(tmp_path / "out" / f"{name}.parquet").num_rows == found.counts[name]
        if name == "missing":
            assert lines[0]["queue"] == "'=cmd()"
            assert lines[0]["ended_at"] == "2025-01-01T00:00:00.000Z"
        if name == "malformed_keys":
            assert lines[0]["key"] == "'=cmd()"
    assert found.counts["extra"] == 2


def test_kinds_of_storage_are_counted_where_they_differ(tmp_path: Path) -> None:
    found = verified(tmp_path, [ROW], [FOUND]).as_json()
    assert found["storage"] == [{"encryption": None, "storage_class": None, "wrong": []}]


@pytest.mark.parametrize(
    ("encryption", "storage_class", "words"),
    [
        ("NOT-SSE", "STANDARD", ["1 media objects are not encrypted"]),
        ("SSE-KMS", "GLACIER", ["1 media objects are in GLACIER: each of them has to be restored"]),
        (None, "DEEP_ARCHIVE", ["1 media objects are in DEEP_ARCHIVE"]),
        ("NOT-SSE", "GLACIER", ["are not encrypted", "are in GLACIER"]),
        ("SSE-S3", "GLACIER_IR", []),
        ("SSE-C", "INTELLIGENT_TIERING", []),
    ],
)
def test_what_is_stored_wrong_is_counted_and_changes_no_verdict(
    tmp_path: Path, encryption: str | None, storage_class: str, words: list[str]
) -> None:
    """Each object once, though it is in two parts; a sidecar does not count."""
    arrived, objects = parts(tmp_path, complete=False), [FOUND, SIDECAR]
    table = rows(
        [one.path for one in objects],
        [one.last_modified_ms for one in objects],
        [one.size for one in objects],
        encryption=[encryption] * 2,
        storage_class=[storage_class] * 2,
    )
    for name in ("1", "2"):
        arrived.add(name, table)
    arrived.finish()
    found = verify(expected_file(tmp_path, [ROW]), arrived, tmp_path, now=NOW)
    (kind,) = found.as_json()["storage"]
    assert len(kind["wrong"]) == len(words)
    assert found.verdict == "PASS"
    sentences = storage_sentences(found.as_json()["storage"])
    assert all(said in sentence for said, sentence in zip(words, sentences, strict=True))
    assert all(sentence in as_text(found) and sentence in verification_html(found) for sentence in sentences)


def test_the_lists_of_an_earlier_run_are_gone_before_the_next_one_ends(tmp_path: Path) -> None:
    """Also those that a run before it left incomplete; other files in the folder stay."""
    out = tmp_path / "out"
    verified(tmp_path, [ROW], [], out=out)
    (out / "notes.txt").write_text("mine")
    remove_lists(out)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_a_folder_for_the_lists_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        remove_lists(tmp_path / "file" / "out")


def test_a_prefix_that_ends_too_early_is_named(tmp_path: Path) -> None:
    """Every key is malformed then; the verdict stays what it is, and the reason says which prefix to name."""
    deeper = [Object(key=f"calls/voice/{one.path}") for one in (FOUND, SIDECAR)]
    found = verified(tmp_path, [ROW], deeper)
    assert found.verdict == "FAIL"
    assert found.reasons[-1].endswith("but one below calls/voice/ is: name that as the prefix.")
    assert "name that as the prefix" not in str(verified(tmp_path / "right", [ROW], [FOUND, *deeper]).reasons)
