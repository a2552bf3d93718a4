"""Whether a plan needs the approval of a second key, whose keys count, and whether the approval that is there does.

A list of keys, in OPSLIB_APPROVERS or in the onboarding's profile, requires an approval by one of them. Where both have
a list, a key must be in both. Without a list an approval is used as it is, and the audit says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opslib.env_file import warn_if_open_to_others
from opslib.errors import ApprovalRefused, InvalidInput, OpslibError
from opslib.files import read_regular
from opslib.ledger.moment import parse_moment
from opslib.ledger.signing import Signer, read_public_key
from opslib.onboarding.models import Onboarding
from opslib.router.approval import Approval, Flaw, Org, PlanFile, Planned, flaw, mismatch, recorded, refuse_hidden
from opslib.router.journal import APPROVAL, Progress, all_applies
from opslib.router.plan import Plan
from opslib.settings import Settings
from opslib.validator.profile_loader import load_profile
from opslib.walk.context import WalkContext

_LONGEST_LIST = 64 * 1024
_KEY = "ed25519:"
HOW_TO_GET_ONE = (
    "write the plan to a file (`opslib plan FILE --out plan.json`, with --removal or --rotate-credentials where that is"
    " meant; of an undo, `opslib undo --out plan.json`; in the notebook: “Save the plan”), let the holder of a listed"
    " key run `opslib approve plan.json`, and give what that writes: --approval plan.approval.json, or “Use this"
    " approval” in the notebook"
)
HOW_TO_GET_ONE_OF_AN_UNFIT_BUCKET = (
    "in the notebook, validate the bucket and then “Save the plan” (that of `opslib plan` does not say that the bucket"
    " did not pass), let the holder of a listed key run `opslib approve plan.json`, and give what that writes:"
    " --approval plan.approval.json, or “Use this approval” in the notebook"
)
_NOTHING = "nothing was written to the org"


@dataclass(frozen=True)
class Approvers:
    """The keys of which one must approve, and where they are listed, in words."""

    keys: tuple[str, ...]
    where: str


def approvers_of(settings: Settings, onboarding: Onboarding) -> Approvers | None:
    """None where one person is enough. Raises InvalidInput for a list that cannot be read or that no key can meet."""
    lists = dict(_lists(settings, onboarding))
    if not lists:
        return None
    first, *others = lists.values()
    keys = tuple(key for key in first if all(key in other for other in others))
    where = " and ".join(lists)
    if not keys:
        raise InvalidInput(
            "No key can approve this plan",
            cause=f"{where} have no key in common" if others else f"{where} lists no key",
            fix=f"correct the lists; {_NOTHING}",
        )
    return Approvers(keys, where)


def is_required(settings: Settings, onboarding: Onboarding) -> bool:
    """Whether a second key must approve; also where the list cannot be read."""
    try:
        return approvers_of(settings, onboarding) is not None
    except OpslibError:
        return True


def _lists(settings: Settings, onboarding: Onboarding) -> Iterator[tuple[str, tuple[str, ...]]]:
    if settings.approvers.strip():
        yield "OPSLIB_APPROVERS", _listed(settings.approvers.strip())
    profile = load_profile(onboarding.profile)
    if profile.approvers is not None:
        yield f"profile {onboarding.profile}", profile.approvers


def _listed(text: str) -> tuple[str, ...]:
    """Keys with blanks or commas between them, or a file with a key in each line; what follows a # is a comment."""
    if not text.startswith(_KEY):
        file = Path(text)
        try:
            content = read_regular(file, _LONGEST_LIST).decode()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            raise InvalidInput(
                "OPSLIB_APPROVERS is not usable",
                cause=f"it does not begin with {_KEY}, and as a file, {file}: {why or error}",
                fix=f"set it to public keys, or to a file with one in each line; {_NOTHING}",
            ) from None
        warn_if_open_to_others(file)
        text = " ".join(line.partition("#")[0] for line in content.splitlines())
    words = text.replace(",", " ").split()
    if wrong := [word for word in words if not word.startswith(_KEY)]:
        raise InvalidInput(
            "OPSLIB_APPROVERS is not usable",
            cause=f"{wrong[0]} is not a public key",
            fix=f"a public key is {_KEY} and 64 hexadecimal digits; {_NOTHING}",
        )
    return tuple(dict.fromkeys(map(read_public_key, words)))


def planned_of(walk: WalkContext, plan: Plan | None = None) -> Planned:
    """What an approver is shown of the walk's plan, or of one that was made again."""
    plan = plan or walk.reviewed_plan()
    connected, looked = walk.result("connect"), walk.state("validate_bucket")
    org = (connected.data.get("doctor") or {}).get("organization") if connected else None
    return Planned(
        plan=plan,
        org=Org(**org) if org else Org(),
        target=walk.onboarding.target.name,
        unsafe=("failed-validation",) if looked in ("failed", "unknown") and walk.routes(plan) else (),
    )


def plan_file(walk: WalkContext) -> PlanFile:
    """The walk's plan, to be approved elsewhere."""
    approvers = approvers_of(walk.settings, walk.onboarding)
    return PlanFile.of(planned_of(walk), approvers.keys if approvers else None)


def refuse_before_connecting(approval: Approval, settings: Settings, onboarding: Onboarding | None) -> None:
    """What can be known without the org; None for an undo, whose onboarding is found later. Raises ApprovalRefused."""
    said, now = approval.statement, datetime.now(UTC)
    pairs = [("API address", said.where, settings.api_base)]
    if onboarding:
        pairs += [
            ("API", said.backend, onboarding.backend),
            ("target", said.target, onboarding.target.name),
            ("org", said.org.id.lower(), onboarding.org_id.lower() or said.org.id.lower()),
        ]
    other = [
        Flaw(f"it is for another plan: its {what} is {theirs}, this one's is {ours}", "give the approval of this plan")
        for what, theirs, ours in pairs
        if theirs != ours
    ]
    wrong = _flaw(approval, settings, onboarding, now) if onboarding else flaw(approval, now)
    _refuse(wrong or next(iter(other), None))


def refuse_unapproved(walk: WalkContext, approval: Approval | None, plan: Plan) -> None:
    """Whether this plan may be carried out now, by the clocks of this machine and of the org.

    Raises ApprovalRefused where an approval is required and missing, or where the one that is there does not count.
    """
    if not plan.changes:
        return
    if approval is None:
        if approvers := approvers_of(walk.settings, walk.onboarding):
            raise _missing(approvers)
        return
    refuse_hidden(approval)
    now = datetime.now(UTC)
    wrong = _flaw(approval, walk.settings, walk.onboarding, now, now + timedelta(seconds=_org_ahead_s(walk)))
    _refuse(wrong or mismatch(approval, planned_of(walk, plan)) or _used(walk, approval))


def refuse_unapproved_unfinished(walk: WalkContext, apply: Progress, onboarding: Onboarding) -> None:
    """Whether an apply that was left unfinished had what is required now, when it began. Raises ApprovalRefused."""
    approvers = approvers_of(walk.settings, onboarding)
    if approvers is None:
        return
    approval = noted_approval(walk, apply.checksum, before=int(apply.id))
    if approval is None:
        raise _missing(approvers, "; or undo the apply: `opslib rollback`")
    if wrong := _flaw(approval, walk.settings, onboarding, parse_moment(apply.at)):
        _refuse(wrong._replace(fix=f"{wrong.fix}; or undo the apply: `opslib rollback`"))


def noted_approval(
    walk: WalkContext, checksum: str, *, before: int | None = None, run_id: str | None = None
) -> Approval | None:
    """The second key's approval in the last note of consent to just this plan, by any run or that one."""
    given = [
        entry
        for entry in walk.journal.ledger.proved_entries(APPROVAL, run_id=run_id)
        if entry.data["checksum"] == checksum and (before is None or entry.seq < before)
    ]
    return recorded(given[-1].data) if given else None


def _used(walk: WalkContext, approval: Approval) -> Flaw | None:
    """It is for one apply: what was undone since, somebody may not want to have again."""
    ledger = walk.journal.ledger
    runs = {
        entry.run_id
        for entry in ledger.proved_entries(APPROVAL)
        if (entry.data.get("document") or {}).get("signature") == approval.signature
    }
    for apply in all_applies(ledger) if runs else ():
        if apply.checksum == approval.statement.checksum and apply.ended == "done" and apply.run_id in runs:
            return Flaw(f"it was used already, for the apply that entry {apply.id} began", "ask for another approval")
    return None


def _flaw(approval: Approval, settings: Settings, onboarding: Onboarding, *moments: datetime) -> Flaw | None:
    approvers = approvers_of(settings, onboarding)
    own = Signer.load(settings.signing_key).public_key
    return flaw(approval, *moments, approvers=approvers.keys if approvers else None, own=[own])


def _org_ahead_s(walk: WalkContext) -> float:
    """How far the org's clock is ahead of ours (s): a machine whose clock is set back revives no approval."""
    connected = walk.result("connect")
    return float((connected.data.get("doctor") or {}).get("clock_skew_s") or 0) if connected else 0.0


def _refuse(wrong: Flaw | None) -> None:
    if wrong:
        raise ApprovalRefused("The approval does not count", cause=wrong.cause, fix=f"{wrong.fix}. {_sentence()}")


def _missing(approvers: Approvers, otherwise: str = "") -> ApprovalRefused:
    return ApprovalRefused(
        "The plan needs the approval of a second key",
        cause=f"{approvers.where} requires one; consent on this machine does not suffice",
        fix=f"{HOW_TO_GET_ONE}{otherwise}. {_sentence()}",
    )


def _sentence() -> str:
    return _NOTHING[:1].upper() + _NOTHING[1:]
