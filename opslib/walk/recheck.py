"""Read bucket, objects and org once more, after a walk, and note in the ledger what they are like now.

Nothing is written, neither to the bucket nor to the org: the test upload is left out. A part that gives no answer ends
as a failed step, and the next one is tried all the same; the audit says what stayed open.
"""

from collections.abc import Mapping
from dataclasses import replace

from opslib.errors import InvalidInput, LedgerError, OpslibError
from opslib.ledger.ledger import Ledger
from opslib.onboarding.models import Onboarding
from opslib.router.org_changes import find_org_changes
from opslib.settings import Settings
from opslib.walk.context import WalkContext
from opslib.walk.look import bucket_of, judged, look_at
from opslib.walk.resume import org_of
from opslib.walk.state_machine import JSON, Result, Step
from opslib.walk.steps import STEPS

# The checks that write: an upload, though it is taken back at once.
_WRITING = ("writer",)


async def recheck(run_id: str | None = None, settings: Settings | None = None) -> list[Result]:
    """Read again what a run was about, by default the last walk; how each part ended.

    Raises LedgerError when there is no such run, and InvalidInput when the settings name another org than the run's.
    """
    settings = settings or Settings.load()
    given = _given(Ledger(settings.home, settings.signing_key), run_id)
    _refuse_other_org(given["org"], settings)
    async with _Recheck(Onboarding.model_validate(given["onboarding"]), settings, command="recheck") as walk:
        return [await _tried(walk, name) for name in walk.steps]


async def _read_bucket(walk: WalkContext) -> Result:
    result = judged(walk, await look_at(walk, bucket_of(walk), without=_WRITING))
    return replace(result, data={**result.data, "left_out": list(_WRITING)})


async def _read_org(walk: WalkContext) -> Result:
    found = await find_org_changes(
        walk.session.client, walk.backend, walk.journal, None, client_id=walk.settings.client_id
    )
    noted = f"{len(found.changes)} changes since {found.since.isoformat(timespec='seconds')}"
    return Result("read_org", "done", noted, {"changed": len(found.changes), "unaudited": found.unaudited})


def _nothing(walk: WalkContext) -> JSON:
    return {}


class _Recheck(WalkContext):
    steps: Mapping[str, Step] = {
        "connect": STEPS["connect"],
        "validate_bucket": replace(STEPS["validate_bucket"], needs=(), after=("connect",), act=_read_bucket),
        "read_org": Step("read_org", "Read the org again", ("connect",), _nothing, _read_org),
    }


async def _tried(walk: WalkContext, name: str) -> Result:
    try:
        return await walk.run(name)
    except OpslibError as error:  # the ledger has it, and the audit shows it
        return walk.result(name) or Result(name, "failed", error.title, error=error)


def _given(ledger: Ledger, run_id: str | None) -> JSON:
    """What the user of a run had chosen when its last step began: org and onboarding."""
    started = {entry.run_id for entry in ledger.proved_entries("step.started")}
    runs = [entry for entry in ledger.proved_entries("run.started") if entry.data["command"] == "walk"]
    walks = [entry.run_id for entry in runs if entry.run_id in started]
    about = run_id or (walks[-1] if walks else "")
    begun = ledger.proved_entries("step.started", run_id=about) if about else []
    if not begun:
        raise LedgerError(
            "There is nothing to read again",
            cause=f"run {about} is not in the ledger, or began no step" if about else "the ledger holds no walk yet",
            fix=f"name one of the walks: {', '.join(walks[-3:])}"
            if walks
            else "run notebook 01 or `opslib onboard FILE`",
        )
    given: JSON = begun[-1].data["given"]
    return given


def _refuse_other_org(org: JSON, settings: Settings) -> None:
    """A bucket and an org that belong to another onboarding say nothing about this one."""
    now = org_of(settings)
    other = [name for name in ("api_url", "region", "org_id") if org[name] != now[name]]
    if other:
        said = "; ".join(f"{name}: then {org[name] or 'none'}, now {now[name] or 'none'}" for name in other)
        raise InvalidInput(
            "The settings name another org than the run's",
            cause=said,
            fix="set them as they were for that run; nothing was sent",
        )
