"""The names that the forms offer: the bucket from AWS, whom a policy is about from the org.

They help to fill in and prove nothing, so what was asked for them is not in the ledger: it counts for no step.
"""

from functools import partial

from opslib.credentials import AwsKeys
from opslib.errors import OpslibError
from opslib.genesys.names import MOST_NAMES, Names, read_names
from opslib.genesys.recorder import Recorder
from opslib.validator.aws import Unanswered
from opslib.validator.own_buckets import MOST_BUCKETS, Buckets, own_buckets
from opslib.visible import visible
from opslib.walk.walk import Walk
from opslib.widgets.fields import Control, Group, Named, Suggested
from opslib.widgets.lookup import WITHIN_S, Lookup

# Below a field there is room for a line or two.
_LONGEST_REASON = 160


def names_lookup(walk: Walk, conditions: Control) -> Lookup:
    """Offers names of the org where a policy's conditions take ids."""
    assert isinstance(conditions, Group)  # noqa: S101 (made from a model)
    controls = {name: one for name, one in conditions.controls.items() if isinstance(one, Named)}

    async def ask() -> None:
        async with walk.session.share(Recorder(lambda kind, data: None)) as session:
            read = await read_names(session.client, WITHIN_S - 1)
        for name, control in controls.items():
            _offer(control, read[name])

    def failed(why: str) -> None:
        for control in controls.values():
            control.offer({}, _unavailable(why))

    return Lookup(walk, ask, failed)


def _offer(control: Named, read: Names | OpslibError) -> None:
    if isinstance(read, OpslibError):
        control.offer({}, _unavailable(read.cause))
    elif not read.by_id:
        control.offer({}, "the org has none")
    else:
        control.offer(read.by_id, f"the first {MOST_NAMES} names can be chosen" if read.more else "")


def buckets_lookup(walk: Walk, bucket: Control) -> Lookup:
    """Suggests the buckets of the account that the target's credentials belong to, or with a role the user's own."""
    assert isinstance(bucket, Suggested)  # noqa: S101 (made with suggestions)
    failed = partial(_no_suggestions, bucket)

    async def ask() -> None:
        credentials = await walk.credentials()
        keys = credentials if isinstance(credentials, AwsKeys) else None
        try:
            _suggest(bucket, await own_buckets(walk.onboarding.target.region, keys))
        except Unanswered as refused:
            failed(refused.why)

    return Lookup(walk, ask, failed)


def _suggest(bucket: Suggested, found: Buckets) -> None:
    names = [name for name in found.names if visible(name) == name]  # none that a page would obey
    bucket.suggest(names, f"The first {MOST_BUCKETS} buckets are suggested." if found.more else "")


def _no_suggestions(bucket: Suggested, why: str) -> None:
    bucket.suggest((), _unavailable(why))


def _unavailable(why: str) -> str:
    said = visible(why)
    return "No names to choose from: " + (said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}…")
