"""Has somebody changed it? The org beside the onboarding, and what others changed in the org: two steps, in any order.

Nothing is written to the org; what is found goes into the ledger. `opslib drift` and `opslib changes` ask the same.
"""

from collections.abc import Mapping

from opslib.errors import OrgDrifted
from opslib.router.org_changes import find_org_changes
from opslib.router.plan import Plan
from opslib.walk.context import WalkContext
from opslib.walk.resume import org_of
from opslib.walk.state_machine import JSON, Result, Step
from opslib.walk.steps import STEPS


async def _compare(walk: WalkContext) -> Result:
    await walk.run("connect")
    plan = await walk.make_plan()
    if not plan.changes:
        return Result("compare", "done", "The org is as the onboarding says", plan.as_json())
    error = _drifted(plan)
    return Result("compare", "failed", error.title, plan.as_json(), error)


def _drifted(plan: Plan) -> OrgDrifted:
    differ = [f"{change.kind} {change.name}: {_how(change.action, len(change.fields))}" for change in plan.changes]
    return OrgDrifted(
        "The org is not as the onboarding says",
        cause="; ".join(differ),
        fix="to put it back, apply the onboarding again: notebook 01, or `opslib apply`. To keep what the org has, "
        "write it into the onboarding. Nothing was written",
    )


def _how(action: str, fields: int) -> str:
    if action == "create":
        return "is missing"
    return "1 field differs" if fields == 1 else f"{fields} fields differ"


async def _read_changes(walk: WalkContext) -> Result:
    await walk.run("connect")
    found = await find_org_changes(walk.session.client, walk.backend, walk.journal, None)
    words = {0: "No change was found", 1: "1 change was found"}.get(
        len(found.changes), f"{len(found.changes)} changes were found"
    )
    if found.first:
        words += ". This is the first look: what is there was noted, and the next look compares with it"
    data = {
        "changes": found.changes,
        "since": found.since.isoformat(),
        "unaudited": found.unaudited,
        "left_out": found.left_out,
    }
    return Result("changes", "unknown" if found.failed else "done", words, data)


def _wanted(walk: WalkContext) -> JSON:
    return {**_org(walk), **walk.wanted()}


def _org(walk: WalkContext) -> JSON:
    return {"org": org_of(walk.settings), "backend": walk.onboarding.backend}


class Drift(WalkContext):
    """Looks at the org, and writes nothing there. Each look connects first."""

    steps: Mapping[str, Step] = {
        "connect": STEPS["connect"],
        "compare": Step("compare", "Compare with the onboarding", (), _wanted, _compare),
        "changes": Step("changes", "Read what others changed", (), _org, _read_changes),
    }
