"""A backfill's plan, and what came of it, as text for a terminal."""

from collections.abc import Iterator, Sequence

from opslib.archive.backfill_plan import BackfillPlan, Wanted
from opslib.archive.backfill_result import AFTERWARDS, NOT_FOUND, Backfilled
from opslib.archive.times import time_text, time_words
from opslib.visible import visible_line

_SHOWN = 10


def plan_as_text(plan: BackfillPlan) -> str:
    """What would be exported, by which jobs, when, what would be exported with it, and what is left out."""
    return "\n".join(map(visible_line, _plan(plan)))


def result_as_text(done: Backfilled) -> str:
    """What became of each job, the recordings that failed, and what tells whether the others arrived."""
    return "\n".join(map(visible_line, _result(done)))


def summary(plan: BackfillPlan) -> str:
    """What the plan does, in a few words."""
    recordings, conversations = len(plan.wanted), plan.conversations
    return f"export {_many(recordings, 'never exported recording')} of {_many(conversations, 'conversation')}"


def when(plan: BackfillPlan) -> str:
    return "at once" if plan.export_at_ms is None else time_words(plan.export_at_ms)


def _plan(plan: BackfillPlan) -> Iterator[str]:
    verified = plan.verification
    place = f"s3://{verified['bucket']}/{verified['prefix']}"
    if not plan.jobs:
        yield f"nothing to export: of what is missing in {place}, as verified {verified['at']}, nothing can be exported"
        yield from _left_out(plan)
        return
    yield f"backfill of {place}, as verified {verified['at']}: {summary(plan)}"
    yield f"  to {plan.where.integration} ({plan.where.integration_id}), which exports to {plan.where.bucket}"
    yield f"  exported {when(plan)}; recordings with sensitive data are {'exported, too' if plan.sensitive else 'not'}"
    for number, job in enumerate(plan.jobs, 1):
        size = f"{_many(len(job.conversations), 'conversation')}, at most {_many(job.recordings, 'recording')}"
        yield f"  job {number}: {time_words(job.start_ms)} to {time_words(job.end_ms)}: {size}"
    if plan.beside:
        also = _many(len(plan.beside), "other recording")
        yield f"  exported with them, since a job takes whole conversations: {also} not exported yet"
    if plan.skipped:
        yield f"  skipped: {_many(plan.skipped, 'recording')} of the same conversations, exported before"
    if short := plan.cut_short:
        yield f"⚠ {len(short):,} are deleted at Genesys before that: it sets their export date to the delete date"
        yield from _dated(short)
    elif dated := plan.by_deletion:
        yield "  deleted first at Genesys:"
        yield from _dated(dated)
    yield from _left_out(plan)
    yield from (f"⚠ {note}" for note in plan.notes)
    yield from (f"! {name}: needs --allow {name} and --reason" for name in plan.unsafe)
    yield f"checksum {plan.checksum}"


def _dated(recordings: Sequence[Wanted]) -> Iterator[str]:
    yield from (f"    {one.recording_id}  deleted {time_text(one.delete_at_ms or 0)}" for one in recordings[:_SHOWN])
    yield from _more(recordings)


def _left_out(plan: BackfillPlan) -> Iterator[str]:
    if plan.left_out:
        yield f"  left out: {len(plan.left_out):,} that were never exported when the org was asked why"
        yield from (f"    {one.id}  {one.why}" for one in plan.left_out[:_SHOWN])
        yield from _more(plan.left_out)


def _more(rows: Sequence[object]) -> Iterator[str]:
    if len(rows) > _SHOWN:
        yield f"    and {len(rows) - _SHOWN:,} more, which --json lists"


def _result(done: Backfilled) -> Iterator[str]:
    for job in done.jobs:
        yield f"{'done' if job.fulfilled else 'failed':8} job {job.number}, {job.id}: {job.words}"
    for one in done.failed[:_SHOWN]:
        yield f"    could not be exported: {one.recording_id} of conversation {one.conversation_id or 'not known'}"
    yield from _more(done.failed)
    if done.not_found:
        yield f"⚠ {done.not_found:,} fewer than planned: {NOT_FOUND}"
    yield AFTERWARDS


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
