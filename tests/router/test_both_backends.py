"""The promises of plan and apply that hold for both APIs: whatever fails, and however often."""

import asyncio
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest

from opslib import errors
from opslib.router.journal import MADE

from ..world import Api, Sandbox
from . import org as storage_targets
from . import platform_org as platform
from .conftest import name_of
from .org import WRITES, Operator, api_requests, inject, numbered, stop_after_the_first, writes
from .platform_shapes import ANOTHER_ACTIVE

FAULTS: dict[str, dict[str, Any]] = {
    "400": {"status": 400},
    "403": {"status": 403},
    "500": {"status": 500},
    "503": {"status": 503, "times": 2},
    "500 after the effect": {"status": 500, "when": "after"},
    "dropped": {"drop": True, "times": 2},
    "dropped after the effect": {"drop": True, "times": 2, "when": "after"},
    "no answer": {"delay_s": 0.7, "drop": True, "times": 2},
    "no answer after the effect": {"delay_s": 0.7, "times": 2, "when": "after"},
}
# An apply has some 25 requests on platform, and each is one case: so there one fault for each way to fail, and all
# reads only with the first of them. Those that make it wait come at writes only. An org with its role in a credential
# and another integration active is asked even more: there the way to fail that tells the least.
ON_PLATFORM = ("400", "500 after the effect", "dropped", "no answer after the effect")
AT_EVERY_REQUEST = ("400",)
AT_WRITES_ONLY = ("dropped", "no answer after the effect")
CASES = [
    *((storage_targets, fault) for fault in FAULTS),
    *((platform, fault) for fault in ON_PLATFORM),
    (ANOTHER_ACTIVE, "500 after the effect"),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("org", "fault"), CASES, indirect=["org"], ids=lambda one: one if isinstance(one, str) else name_of(one)
)
@pytest.mark.parametrize("kind", ["create", "update", "delete"])
async def test_a_failure_at_any_request_leaves_the_org_as_it_was(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api, kind: str, fault: str
) -> None:
    """Whatever fails at whichever request of an apply: rolled back, byte for byte, and nothing is left unfinished.

    A POST may not be sent twice. Where its answer is lost, the object is looked for: then the apply goes on.
    """
    if "delay_s" in FAULTS[fault]:
        ops.give_up_early()
    wanted, removal = (org.changed(sandbox) if kind == "update" else org.onboarding(sandbox)), kind == "delete"

    def prepare() -> bytes:
        ops.anew()
        org.clear(api)
        if kind != "create":
            org.seed(sandbox, api)
        return org.state(api)

    prepare()
    plan = await ops.plan(wanted, removal=removal)
    sandbox.control("DELETE", "/requests")
    await ops.apply(wanted, plan, removal=removal)
    requests, done = numbered(api_requests(sandbox)), org.state(api)
    first = next(place for place, request in enumerate(requests) if request[0] in WRITES)
    assert len(requests) - first >= 6  # each of three changes is written and read back
    chosen = requests[first:]
    if org is not storage_targets and fault not in AT_EVERY_REQUEST:
        chosen = _writes(chosen, with_a_read=fault not in AT_WRITES_ONLY)
    for method, path, skip in [requests[0], *chosen]:
        before = prepare()
        plan = await ops.plan(wanted, removal=removal)
        sandbox.control("DELETE", "/requests")
        while_reading = (method, path, skip) == requests[0]
        # Reads of a plan run at once: there the fault stays until one has used up its tries.
        times = {"times": 9} if while_reading else {"times": 1, **FAULTS[fault]}
        inject(sandbox, method, path, skip=skip, **{**FAULTS[fault], **times})
        found = method == "POST" and fault != "400"
        raises = pytest.raises(errors.OpslibError if while_reading else errors.RolledBack)
        with nullcontext() if found else raises as caught:
            await ops.apply(wanted, plan, removal=removal)
        sandbox.control("DELETE", "/faults")
        assert org.state(api) == (done if found else before), (method, path, skip)
        assert caught is None or caught.value.cause
        assert not isinstance(caught and caught.value, errors.HalfDone)
        assert not (while_reading and writes(sandbox))
        assert ops.unfinished() is None


def _writes(requests: list[tuple[str, str, int]], *, with_a_read: bool) -> list[tuple[str, str, int]]:
    """Those that write, and the read after each: until the next write, later reads find the org in the same state."""
    methods = ["", *(method for method, _, _ in requests)]
    return [
        request
        for before, request in zip(methods, requests, strict=False)
        if request[0] in WRITES or (with_a_read and before in WRITES)
    ]


async def test_a_foreign_change_is_refused(org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """What changed between plan and apply makes the plan stale; nothing is written."""
    plan = await ops.plan(org.changed(sandbox))
    org.seed(sandbox, api)
    before = org.state(api)
    sandbox.control("DELETE", "/requests")
    with pytest.raises(errors.StalePlan):
        await ops.apply(org.changed(sandbox), plan)
    assert writes(sandbox) == []
    assert org.state(api) == before


@pytest.mark.parametrize("undoing", [False, True])
@pytest.mark.parametrize("how", ["resume", "rollback"])
async def test_a_foreign_change_after_a_stop_is_refused(
    org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api, how: str, undoing: bool
) -> None:
    """An object that somebody else changed since the crash is left alone, also by a rollback that had begun."""
    await stop_after_the_first(ops, org.onboarding(sandbox))
    if undoing:
        for method in WRITES:
            sandbox.control("POST", "/faults", {"method": method, "path_regex": "/api/", "status": 403})
        with pytest.raises(errors.HalfDone, match="half-done"):
            await ops.applier().rollback()
        sandbox.control("DELETE", "/faults")
    org.clear(api)
    org.seed(sandbox, api)
    before = org.state(api)
    sandbox.control("DELETE", "/requests")
    # Where ids are the server's, ours are gone, and what has the names now is not ours: at most, what a list may not
    # show yet is deleted by the id that it had.
    if undoing and not ops.backend.ids_are_ours:
        await getattr(ops.applier(), how)()
        ours = {entry.data["server_id"] for entry in ops.run.ledger.entries(MADE)}
        assert {(method, path.rsplit("/", 1)[1] in ours) for method, path in writes(sandbox)} <= {("DELETE", True)}
    else:
        with pytest.raises(errors.ChangedMeanwhile) as caught:
            await getattr(ops.applier(), how)()
        assert f"{'changed' if ops.backend.ids_are_ours else 'deleted'} by somebody else" in caught.value.cause
        assert writes(sandbox) == []
    assert org.state(api) == before


async def test_there_and_back(org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """What is as wanted is left alone; a change and the change back end where they began; a removal leaves nothing."""
    empty = org.state(api)
    await ops.apply(org.onboarding(sandbox))
    there = org.state(api)
    sandbox.control("DELETE", "/requests")
    await ops.apply(org.onboarding(sandbox))
    assert writes(sandbox) == []
    await ops.apply(org.changed(sandbox))
    assert org.state(api) != there
    await ops.apply(org.onboarding(sandbox))
    assert org.state(api) == there
    await ops.apply(org.onboarding(sandbox), removal=True)
    assert org.state(api) == empty


async def test_read_lag_does_not_fool_the_read_back(org: ModuleType, ops: Operator, sandbox: Sandbox, api: Api) -> None:
    """Each change is seen before the next, and nothing is made twice."""
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.3})
    await asyncio.sleep(0.3)  # what was there before this test is out of sight
    for wanted in (org.onboarding(sandbox), org.changed(sandbox), org.onboarding(sandbox)):
        await ops.apply(wanted, settles_within_s=8)
        assert (await ops.plan(wanted)).changes == ()
