"""A verification, and why recordings are missing, as text for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from opslib.archive.reasons import WORDS
from opslib.archive.report import Verification
from opslib.archive.times import time_text
from opslib.archive.why import Why
from opslib.archive.words import storage_sentences
from opslib.visible import visible_line

JSON = dict[str, Any]

_DAYS_SHOWN = 14
_LINES_SHOWN = 20
_MISSING_SHOWN = 10
_NAMES = ("expected", "arrived", "missing", "late", "empty", "without_sidecar", "duplicate", "not_due")


def as_text(found: Verification) -> str:
    """The verdict with its reasons, the counts, the latency, the last days and the first missing recordings.

    An id with a line break in it begins no line.
    """
    answer = found.as_json()
    lines = [*_head(found, answer), "", *_days(answer["days"]), *_missing(found, answer["missing"])]
    lines += ["", *_why(found.why)] if found.why else []
    return "\n".join(map(visible_line, lines))


def why_as_text(why: Why) -> str:
    """The reasons with their counts and fixes, what is at risk, and the first missing recordings."""
    lines = [*_why(why), *_explained(why)]
    return "\n".join(map(visible_line, lines))


def _why(why: Why) -> Iterator[str]:
    bucket, prefix, at = (why.verification[name] for name in ("bucket", "prefix", "at"))
    if not why.rows:
        yield from why.notes or [f"nothing is missing in s3://{bucket}/{prefix}, as verified {at}"]
        return
    yield f"why they are missing in s3://{bucket}/{prefix}, as verified {at}:"
    for group in why.groups[:_LINES_SHOWN]:
        yield f"  {group.count:,} {_lower(group.words)}"
        yield f"    Fix: {group.fix}"
    if more := why.groups[_LINES_SHOWN:]:
        yield f"  and {sum(group.count for group in more):,} for {len(more):,} other causes, which --json lists"
    yield from why.notes
    if risk := why.at_risk:
        yield ""
        yield f"at risk: {len(risk):,} that Genesys deletes within {why.within_days:g} days, the first {_shown(risk)}:"
        for row in risk[:_MISSING_SHOWN]:
            deleted = time_text(row.delete_at_ms or 0)
            yield f"  {_name(row.recording_id, row.conversation_id)}  deleted {deleted}, {_lower(WORDS[row.reason])}"
            yield f"    {row.fix}"


def _explained(why: Why) -> Iterator[str]:
    if why.rows:
        yield ""
        yield f"missing, the first {_shown(why.rows)} of {len(why.rows):,}:"
        for row in why.rows[:_MISSING_SHOWN]:
            name = _name(row.recording_id, row.conversation_id)
            yield f"  {name}  ended {time_text(row.ended_at_ms)}, {_lower(WORDS[row.reason])}: {row.said}"


def _shown(rows: Sequence[object]) -> int:
    return min(len(rows), _MISSING_SHOWN)


def _name(recording_id: str | None, conversation_id: str) -> str:
    return recording_id or f"conversation {conversation_id}"


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _head(found: Verification, answer: JSON) -> Iterator[str]:
    counts = found.counts
    yield f"{found.verdict}: conversations that ended from {answer['since']} to before {answer['judged_until']}"
    yield from (f"  {reason}" for reason in _first(found.reasons))
    yield from (f"  Fix: {fix}" for fix in _first(dict.fromkeys(gap.fix for gap in found.gaps if gap.fix)))
    rate = "no data" if found.success_rate is None else f"{100 * found.success_rate:.3f} %"
    due = counts["arrived"] + counts["missing"]
    yield f"{counts['arrived']:,} of {due:,} recordings that were due arrived ({rate})"
    others = ("not_due", "late", "empty", "without_sidecar", "duplicate", "extra", "malformed_keys", "at_risk")
    yield ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in others)
    latency = answer["latency_s"]
    shown = [f"{name} {latency[name]:,.1f} s" for name in ("p50", "p95", "p99", "max") if latency[name] is not None]
    yield f"from the end of the conversation to S3's time: {', '.join(shown) or 'no data'}"
    yield from storage_sentences(answer["storage"])
    yield from found.notes


def _first(lines: Iterable[str]) -> Iterator[str]:
    """A prefix that nobody may read can have thousands of folders."""
    listed = list(lines)
    yield from listed[:_LINES_SHOWN]
    if more := listed[_LINES_SHOWN:]:
        yield f"and {len(more):,} more, which --json lists"


def _days(all_days: Sequence[JSON]) -> Iterator[str]:
    if days := all_days[-_DAYS_SHOWN:]:
        head = (name.replace("without_", "no ").replace("_", " ") for name in _NAMES)  # fits 80 columns
        rows = [["day", *head], *([day["day"], *(f"{day[name]:,}" for name in _NAMES)] for day in days)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield from (" ".join(map(str.rjust, row, widths)) for row in rows)


def _missing(found: Verification, missing: Sequence[JSON]) -> Iterator[str]:
    if missing:
        yield ""
        yield f"missing, the first {min(len(missing), _MISSING_SHOWN)} of {found.counts['missing']:,}:"
        for one in missing[:_MISSING_SHOWN]:
            what = _name(one["recording_id"], one["conversation_id"])
            deleted = f", deleted in Genesys {one['delete_at']}" if one["delete_at"] else ""
            yield f"  {what}  ended {one['ended_at']}{deleted}: {one['reason']}"
