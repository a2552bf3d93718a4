"""What a verification of the archive found, as static HTML and as a table to work on."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from opslib.archive.reasons import WORDS
from opslib.archive.report import Verification
from opslib.archive.times import time_words
from opslib.archive.verification import FIRST_MISSING
from opslib.archive.why import FIRST, Why
from opslib.archive.words import CLOCKS, COUNTS, storage_sentences
from opslib.audit.arrival_charts import archival_latency_chart, arrivals_chart
from opslib.html import Html, identifier, table, text, verdict

if TYPE_CHECKING:
    import pandas as pd

JSON = dict[str, Any]

_BY_DAY = {"expected": "Expected", "arrived": "Arrived", "missing": "Missing", "late": "Late", "empty": "Empty"}
_MISSING = {
    "conversation_id": "Conversation",
    "recording_id": "Recording",
    "ended_at": "Ended (UTC)",
    "delete_at": "Deleted in Genesys (UTC)",
    "reason": "In the bucket",
    "why": "Why it is missing",
}
_AT_RISK = ("conversation_id", "recording_id", "delete_at", "why", "fix")


def verification_html(found: Verification) -> str:
    """The verdict with its reasons, the counts, why recordings are missing and which are at risk, when and how late
    they arrived, and the first missing ones."""
    answer = found.as_json()
    why = list(_why(found.why)) if found.why else []
    figures = [*_charts(found), *_days(answer["days"]), *_missing(found, answer["missing"])]
    return "".join([*_verdict(found, answer), _counts(found, answer), *why, *figures])


def missing_frame(found: Verification | None) -> "pd.DataFrame":
    """The first missing recordings, by the end of their conversations; without rows while there is no answer."""
    import pandas as pd

    rows = [one | {"why": _reasons(one["why"]) or "not asked"} for one in found.as_json()["missing"]] if found else []
    frame = pd.DataFrame(rows, columns=list(_MISSING))
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in ("ended_at", "delete_at")})


def at_risk_frame(found: Verification | None) -> "pd.DataFrame":
    """What is missing and soon deleted at the source, soonest first; without rows where no org was asked."""
    import pandas as pd

    risk = found.why.as_json()["at_risk"] if found and found.why else []
    frame = pd.DataFrame([one | {"why": WORDS[one["reason"]]} for one in risk], columns=list(_AT_RISK))
    return frame.assign(delete_at=pd.to_datetime(frame["delete_at"], utc=True))


def _why(why: Why) -> Iterator[str]:
    rows = [(group.words, f"{group.count:,}", group.fix) for group in why.groups]
    if rows:
        yield table("Why recordings are missing", ("Reason", "How many", "What to do"), rows).html
    yield from (f'<p style="margin:4px 0">{text(note)}</p>' for note in why.notes)
    if risk := why.at_risk:
        head = ("Recording or conversation", "Deleted in Genesys", "Why it is missing", "What can still be done")
        shown = why.as_json(FIRST)["at_risk"]
        count = f"the first {FIRST} of {len(risk):,}" if len(risk) > FIRST else f"{len(risk)}"
        title = f"At risk: deleted in Genesys within {why.within_days:g} days, {count}"
        deleted = [time_words(one.delete_at_ms or 0) for one in risk[:FIRST]]
        at_risk = [(_id(one), at, WORDS[one["reason"]], one["fix"]) for one, at in zip(shown, deleted, strict=True)]
        yield table(title, head, at_risk).html


def _id(one: JSON) -> Html:
    return identifier(one["recording_id"] or one["conversation_id"])


def _reasons(names: Sequence[str]) -> str:
    """Empty where the org was not asked."""
    return ", ".join(WORDS[name] for name in names)


def _verdict(found: Verification, answer: JSON) -> Iterator[str]:
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in answer["reasons"])
    yield f'<p style="margin:6px 0">{verdict(found.verdict).html}</p>'
    yield f'<ul style="margin:4px 0">{reasons}</ul>' if reasons else ""
    yield (
        f'<p style="margin:4px 0">Judged: conversations that ended from {text(answer["since"])} to before '
        f"{text(answer['judged_until'])}.</p>"
    )
    yield from (f'<p style="margin:4px 0">{text(note)}</p>' for note in found.notes)
    if found.gaps:
        rows = [(gap.where, gap.cause, gap.fix) for gap in found.gaps]
        yield table("What could not be read", ("Where", "Cause", "Fix"), rows).html


def _counts(found: Verification, answer: JSON) -> str:
    rows = [(words, f"{found.counts[name]:,}") for name, words in COUNTS.items()]
    rate, interval = answer["success_rate"], answer["success_rate_interval_95"]
    words = "no data"
    if rate is not None:
        low, high = (100 * end for end in interval)
        words = f"{100 * rate:.3f} % (95 % interval: {low:.3f} to {high:.3f} %)"
    shown = table("Recordings", ("Recordings", "How many"), [*rows, ("Success rate: arrived of those due", words)]).html
    stored = storage_sentences(answer["storage"])
    return shown + "".join(f'<p style="margin:4px 0">{text(sentence)}</p>' for sentence in stored)


def _charts(found: Verification) -> Iterator[str]:
    answer = found.answer
    longest_s = None if answer.latency_max_ms is None else answer.latency_max_ms / 1000
    charts = (
        arrivals_chart(answer.arrivals),
        archival_latency_chart(answer.latency_buckets, longest_s, answer.question.within_ms / 1000),
    )
    yield from (f'<div style="margin:8px 0">{chart.html()}</div>' for chart in charts)
    yield f'<p style="margin:4px 0"><small>{text(CLOCKS)}</small></p>'


def _days(days: Sequence[JSON]) -> Iterator[str]:
    if days:
        rows = [(day["day"], *(f"{day[name]:,}" for name in _BY_DAY)) for day in days]
        shown = table("By the day on which the conversation ended", ("Day (UTC)", *_BY_DAY.values()), rows)
        yield _folded(f"By day: {len(days):,}", shown.html)


def _missing(found: Verification, missing: Sequence[JSON]) -> Iterator[str]:
    if missing:
        rows = [
            (
                _id(one),
                one["ended_at"],
                one["delete_at"] or "not known",
                _reasons(one["why"]) or one["reason"],
            )
            for one in missing
        ]
        head = ("Recording or conversation", _MISSING["ended_at"], _MISSING["delete_at"], _MISSING["why"])
        count = found.counts["missing"]
        title = (
            f"Missing recordings, the first {FIRST_MISSING} of {count:,}" if count > len(rows) else f"Missing: {count}"
        )
        yield _folded(title, table("Missing recordings", head, rows).html)


def _folded(title: str, html: str) -> str:
    return f"<details><summary>{text(title)}</summary>{html}</details>"
