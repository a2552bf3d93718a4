"""A second key's agreement to exactly one plan, as two files that travel: the plan, and its signed approval.

The approver needs nothing but the plan's file: what it shows is made from the plan itself, so no words that are stored
in it are believed. The signature covers the plan's checksum and everything else that was shown. Whoever applies makes
the plan again, and refuses an approval of anything else.

A signature is over `opslib approval 1`, a line feed, and the statement as canonical JSON (RFC 8785).
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from opslib.errors import InvalidInput
from opslib.files import read_regular
from opslib.ledger.actor import machine
from opslib.ledger.moment import parse_moment, utc_text
from opslib.ledger.signing import Signer, verify_signature
from opslib.onboarding.models import BackendName
from opslib.redact import redact_json
from opslib.router.plan import Plan
from opslib.router.unsafe_changes import UNSAFE

LONGEST_DAYS = 90
"""An approval holds for 1 to this many days."""
DEFAULT_DAYS = 7

# How far the approver's clock may be ahead.
_CLOCKS_DIFFER = timedelta(minutes=5)
_LONGEST_BYTES = 8 * 1024 * 1024
_SIGNED = "opslib approval 1"

JSON = dict[str, Any]
T = TypeVar("T", bound="_File")


def _time(text: str) -> str:
    if utc_text(parse_moment(text)) != text:
        raise ValueError("write it as 2026-01-31T00:00:00.000Z")
    return text


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(names) - set(UNSAFE)):
        raise ValueError(f"this opslib does not know {', '.join(unknown)}")
    return names


def _known_changes(plan: Plan) -> Plan:
    _known(plan.unsafe)
    return plan


Moment = Annotated[str, AfterValidator(_time)]
Unsafe = Annotated[tuple[str, ...], AfterValidator(_known)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PublicKey = Annotated[str, Field(pattern=r"^ed25519:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _File(_Part):
    def text(self) -> bytes:
        """The file's content: canonical JSON."""
        return rfc8785.dumps(self.model_dump(mode="json")) + b"\n"


class Org(_Part):
    """Whose the plan is, as the org itself said; empty where it did not."""

    id: str = ""
    name: str = ""


class Maker(_Part):
    """Who wrote a file and when, as their machine said. Nobody vouches for it."""

    at: Moment
    user: str
    uid: int | None
    host: str
    opslib: str


class Planned(_Part):
    """A plan with where it is to be carried out. `unsafe` is what needs consent beside the plan's own changes: a bucket
    that did not pass."""

    plan: Annotated[Plan, AfterValidator(_known_changes)]
    org: Org
    target: str
    unsafe: Unsafe = ()

    @property
    def all_unsafe(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.plan.unsafe, *self.unsafe]))

    @property
    def shown(self) -> str:
        """SHA-256 over all that an approver is shown: the plan with its warnings and notes, the org and the target."""
        return _sha256(self.model_dump(mode="json", include={"plan", "org", "target"}))


class PlanFile(_File):
    """A plan that can be approved elsewhere. `approvers` are the keys of which one must sign it; None: any may.

    `digest` is over everything else.
    """

    type: Literal["opslib plan 1"] = "opslib plan 1"
    planned: Planned
    checksum: Hash
    approvers: tuple[PublicKey, ...] | None
    made: Maker
    digest: Hash

    @classmethod
    def of(cls, planned: Planned, approvers: Sequence[str] | None) -> "PlanFile":
        made = Maker(at=_now(), **machine(), opslib=version("opslib"))
        keys = None if approvers is None else tuple(approvers)
        bare = cls(planned=planned, checksum=planned.plan.checksum, approvers=keys, made=made, digest="0" * 64)
        return bare.model_copy(update={"digest": bare.own_digest()})

    def own_digest(self) -> str:
        return _sha256(self.model_dump(mode="json", exclude={"digest"}))


class Statement(_Part):
    """What a key signs. `shown` is the digest of all that the approver saw, `unsafe` what they agreed to by name."""

    where: str
    backend: BackendName
    org: Org
    target: str
    checksum: Hash
    shown: Hash
    unsafe: Unsafe
    reason: str
    approved_at: Moment
    expires_at: Moment
    key: PublicKey
    user: str
    uid: int | None
    host: str

    @property
    def approved(self) -> datetime:
        return parse_moment(self.approved_at)

    @property
    def expires(self) -> datetime:
        return parse_moment(self.expires_at)


class Approval(_File):
    """A statement with its signature."""

    type: Literal["opslib approval 1"] = "opslib approval 1"
    statement: Statement
    signature: str

    def is_signed(self) -> bool:
        return verify_signature(self.statement.key, _signed_bytes(self.statement), self.signature)


class Flaw(NamedTuple):
    """Why an approval does not count, and what to do."""

    cause: str
    fix: str


def refuse_to_sign(file: PlanFile, reason: str) -> None:
    """Raises InvalidInput for a plan without changes, or an unsafe one without a reason."""
    planned = file.planned
    if not planned.plan.changes:
        raise InvalidInput(
            "There is nothing to approve", cause="the plan has no changes", fix="apply needs no approval for it"
        )
    if planned.all_unsafe and not reason.strip():
        raise InvalidInput(
            "The approval needs a reason",
            cause=f"the plan is unsafe: {', '.join(planned.all_unsafe)}",
            fix='add --reason "…"; nothing was signed',
        )


def approve(file: PlanFile, signer: Signer, now: datetime, *, reason: str, days: int) -> Approval:
    """Sign exactly this plan, for so many days. Raises InvalidInput as `refuse_to_sign`, and for words that the ledger
    would hide."""
    refuse_to_sign(file, reason)
    planned = file.planned
    statement = Statement(
        where=planned.plan.where,
        backend=planned.plan.backend,
        org=planned.org,
        target=planned.target,
        checksum=planned.plan.checksum,
        shown=planned.shown,
        unsafe=planned.all_unsafe,
        reason=reason.strip(),
        approved_at=utc_text(now),
        expires_at=utc_text(now + timedelta(days=days)),
        key=signer.public_key,
        **machine(),
    )
    approval = Approval(statement=statement, signature=signer.sign(_signed_bytes(statement)))
    refuse_hidden(approval)
    return approval


def flaw(
    approval: Approval, *moments: datetime, approvers: Collection[str] | None = None, own: Collection[str] = ()
) -> Flaw | None:
    """Why an approval does not count, whatever the plan is; None when it does.

    It must hold at each of the moments, such as by the clocks of this machine and of the org. `approvers` are the keys
    of which one is required, None where none is; then none of the keys `own` counts: those of who applies.
    """
    said, ask = approval.statement, "plan again and ask for another approval"
    if not approval.is_signed():
        return Flaw("its signature does not fit: it was changed or forged", "get the file again from the approver")
    if said.expires - said.approved > timedelta(days=LONGEST_DAYS) or said.expires <= said.approved:
        return Flaw(f"it holds from {said.approved_at} to {said.expires_at}, not 1 to {LONGEST_DAYS} days", ask)
    for now in moments:
        if said.approved > now + _CLOCKS_DIFFER:
            early = f"it was signed at {said.approved_at}, and a clock here says {utc_text(now)}"
            return Flaw(early, "set the clocks right: this machine's, the org's or the approver's; " + ask)
        if said.expires <= now:
            return Flaw(f"it expired at {said.expires_at}, and it is {utc_text(now)}", ask)
    if approvers is None:
        return None
    if said.key in own:
        return Flaw("the key that signed it is the one that applies the plan", "ask somebody else for an approval")
    if said.key not in approvers:
        return Flaw(f"the key that signed it, {said.key}, is not one whose approval counts", "ask the holder of one")
    return None


def mismatch(approval: Approval, planned: Planned) -> Flaw | None:
    """What else it approves than this plan; None where it is exactly this one."""
    said, plan = approval.statement, planned.plan
    pairs = (
        ("API address", said.where, plan.where),
        ("API", said.backend, plan.backend),
        ("org", _org_words(said.org), _org_words(planned.org)),
        ("target", said.target, planned.target),
        ("checksum", said.checksum, plan.checksum),
    )
    fix = "plan again, and ask for an approval of that plan"
    for what, theirs, ours in pairs:
        if theirs != ours:
            return Flaw(f"it approves another plan: its {what} is {theirs}, this one's is {ours}", fix)
    if said.shown != planned.shown:
        return Flaw("the warnings or notes that the approver saw are not those of the plan now", fix)
    if missing := sorted(set(plan.unsafe) - set(said.unsafe)):
        return Flaw(f"it does not agree to {', '.join(missing)}", fix)
    return None


def refuse_hidden(file: PlanFile | Approval) -> None:
    """Raises InvalidInput for a secret in it: no file holds one, and the ledger would hide it, so that nobody could
    verify the signature from there."""
    plain = file.model_dump(mode="json")
    if redact_json(plain) != plain:
        raise InvalidInput(
            f"The {'approval' if isinstance(file, Approval) else 'plan'} holds a secret",
            cause="a part of it, such as a name or the reason, is a secret that is used here",
            fix="use other words; nothing was written",
        )


def recorded(entry: JSON) -> Approval | None:
    """The approval in the body of a ledger's entry; None where there is none, or none that can be read."""
    try:
        return Approval.model_validate(entry["document"]) if entry.get("document") else None
    except ValidationError:
        return None


def terms(entry: JSON, name: str) -> tuple[str, str | None]:
    """Reason and last day of the consent to something unsafe, in the body of a ledger's entry: those of the second key
    where it agreed to that."""
    approval = recorded(entry)
    if approval and name in approval.statement.unsafe:
        return approval.statement.reason, approval.statement.expires_at[:10]
    return str(entry.get("reason", "")), entry.get("until")


def read_plan(path: Path) -> PlanFile:
    """A plan's file. Raises InvalidInput where it is none, or was changed."""
    file = _read(path, PlanFile, "a plan that `opslib plan --out` wrote")
    if file.planned.plan.checksum != file.checksum or file.own_digest() != file.digest:
        raise InvalidInput(
            f"{path} was changed",
            cause=f"it says checksum {file.checksum}, and what is in it has {file.planned.plan.checksum}"
            if file.planned.plan.checksum != file.checksum
            else "what is in it does not have the digest that it says",
            fix="get the file again from whoever made the plan; nothing was signed",
        )
    return file


def read_approval(path: Path) -> Approval:
    """An approval's file, whose signature is not checked yet. Raises InvalidInput."""
    return _read(path, Approval, "an approval that `opslib approve` wrote")


def write_new(path: Path, file: PlanFile | Approval) -> None:
    """Raises InvalidInput where there is a file already, which is left alone, or for a secret in it; and OSError."""
    refuse_hidden(file)
    try:
        with path.open("xb") as out:  # which follows no link either
            out.write(file.text())
    except FileExistsError:
        raise exists_already(path) from None


def exists_already(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} exists already", cause="it would be overwritten", fix="name another file with --out")


def _read(path: Path, model: type[T], what: str) -> T:
    try:
        content = read_regular(path, _LONGEST_BYTES)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read", cause=error.strerror or str(error), fix="name the file") from None
    try:
        values = json.loads(content, object_pairs_hook=_once)
        file = model.model_validate(values)
        if rfc8785.dumps(values) + b"\n" != file.text():  # pydantic also takes a number that is written as text
            raise ValueError("a value is not written as opslib writes it")
    except (ValueError, RecursionError) as error:  # of pydantic and of json, too
        problem = error.errors()[0] if isinstance(error, ValidationError) else None
        place = ".".join(map(str, problem["loc"])) if problem else ""
        why = f"{place}: {problem['msg']}" if problem else f"it is not JSON that opslib wrote ({error})"
        raise InvalidInput(
            f"{path} is not {what}", cause=why, fix="get the file again from whoever made it; nothing was sent"
        ) from None
    return file


def _once(pairs: list[tuple[str, Any]]) -> JSON:
    """An object whose names are each there once: of two, readers choose differently."""
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name is there twice")
    return read


def _org_words(org: Org) -> str:
    return f"{org.name} ({org.id})" if org.id else "not known"


def _signed_bytes(statement: Statement) -> bytes:
    return f"{_SIGNED}\n".encode() + rfc8785.dumps(statement.model_dump(mode="json"))


def _sha256(value: JSON) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def _now() -> str:
    return utc_text(datetime.now(UTC))
