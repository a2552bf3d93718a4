"""The plan as a file and its signed approval: each field counts, and nothing that is stored is believed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from opslib.errors import InvalidInput
from opslib.ledger.moment import utc_text
from opslib.ledger.signing import Signer
from opslib.redact import remember
from opslib.router.approval import (
    Approval,
    Org,
    PlanFile,
    Planned,
    approve,
    flaw,
    mismatch,
    read_approval,
    read_plan,
    recorded,
    terms,
    write_new,
)
from opslib.router.plan import Change, Plan

SIGNER = Signer(Ed25519PrivateKey.generate())
NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)
CUT = Change(
    action="update",
    kind="target",
    id="t-1",
    name="T",
    before={"retentionPeriodDays": 365},
    after={"retentionPeriodDays": 30},
    unsafe=("shorter-retention",),
)
PLANNED = Planned(
    plan=Plan(where="https://api.mypurecloud.de", changes=(CUT,), warnings=("w",), notes=("n",)),
    org=Org(id="o-1", name="O"),
    target="T",
    unsafe=("failed-validation",),
)
FILE = PlanFile.of(PLANNED, [SIGNER.public_key])
APPROVAL = approve(FILE, SIGNER, NOW, reason="agreed", days=7)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a document, and to each list and object."""
    if at:
        yield at
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*at, key))


def changed(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    place = copy
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    return copy


def without(document: Any, at: tuple[Any, ...]) -> Any:
    copy = json.loads(json.dumps(document))
    place = copy
    for key in at[:-1]:
        place = place[key]
    del place[at[-1]]
    return copy


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=5), st.builds(dict)
)
DOCUMENTS = {"plan": FILE.model_dump(mode="json"), "approval": APPROVAL.model_dump(mode="json")}


def is_refused(kind: str, path: Path, document: Any) -> bool:
    """Whether a file is refused by itself: as it is read, or for its signature."""
    path.write_text(json.dumps(document))
    try:
        if kind == "approval":
            return not read_approval(path).is_signed()
        read_plan(path)
    except InvalidInput:
        return True
    return False


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_no_field_can_be_left_out(kind: str, tmp_path: Path) -> None:
    assert not is_refused(kind, tmp_path / "file.json", DOCUMENTS[kind])
    for at in places(DOCUMENTS[kind]):
        assert is_refused(kind, tmp_path / "file.json", without(DOCUMENTS[kind], at)), at


@given(data=st.data(), value=VALUES)
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_no_field_can_be_changed(kind: str, data: st.DataObject, value: Any, tmp_path_factory: Any) -> None:
    """Whatever it becomes, also where another type would be read as the same value."""
    document = DOCUMENTS[kind]
    other = changed(document, data.draw(st.sampled_from([*places(document)])), value)
    if json.dumps(other, sort_keys=True) != json.dumps(document, sort_keys=True):
        assert is_refused(kind, tmp_path_factory.getbasetemp() / "file.json", other)


def test_a_plan_whose_digest_was_made_to_fit_is_approved_as_what_it_is(tmp_path: Path) -> None:
    """Somebody drops a warning and computes the digest again: the approval is then of something else than the plan."""
    plan = PLANNED.plan.model_copy(update={"warnings": ()})
    other = approve(PlanFile.of(PLANNED.model_copy(update={"plan": plan}), None), SIGNER, NOW, reason="r", days=7)
    assert other.statement.checksum == APPROVAL.statement.checksum
    assert mismatch(APPROVAL, PLANNED) is None
    wrong = mismatch(other, PLANNED)
    assert wrong is not None
    assert "warnings or notes" in wrong.cause


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"org": Org(id="o-2", name="O")}, "its org is O (o-1), this one's is O (o-2)"),
        ({"org": Org()}, "its org is O (o-1), this one's is not known"),
        ({"target": "U"}, "its target is T, this one's is U"),
        ({"plan": PLANNED.plan.model_copy(update={"where": "https://api.mypurecloud.ie"})}, "its API address is"),
        ({"plan": PLANNED.plan.model_copy(update={"backend": "platform"})}, "its API is storage-targets"),
        ({"plan": PLANNED.plan.model_copy(update={"changes": ()})}, "its checksum is"),
    ],
)
def test_it_approves_nothing_else(changes: dict[str, Any], cause: str) -> None:
    wrong = mismatch(APPROVAL, PLANNED.model_copy(update=changes))
    assert wrong is not None
    assert cause in wrong.cause


@pytest.mark.parametrize(("days", "counts"), [(-0.005, False), (0, True), (6.99, True), (7, False)])
def test_it_holds_from_when_it_was_signed_until_it_expires(days: float, counts: bool) -> None:
    """By each clock that is asked: this machine's, and the org's, so that one that is set back revives nothing."""
    then = NOW + timedelta(days=days)
    assert (flaw(APPROVAL, then) is None) == counts
    assert (flaw(APPROVAL, NOW, then) is None) == counts


def test_a_listed_key_counts_unless_it_applies() -> None:
    own, other = SIGNER.public_key, "ed25519:" + "0" * 64
    assert flaw(APPROVAL, NOW, own=[own]) is None  # no list, so no second key is required
    assert flaw(APPROVAL, NOW, approvers=[other, own], own=[other]) is None
    assert flaw(APPROVAL, NOW, approvers=[own], own=[own]) is not None
    assert flaw(APPROVAL, NOW, approvers=[other]) is not None


def test_an_unsafe_plan_needs_a_reason_and_an_empty_one_no_approval() -> None:
    with pytest.raises(InvalidInput, match="needs a reason"):
        approve(FILE, SIGNER, NOW, reason="  ", days=7)
    empty = PLANNED.model_copy(update={"plan": PLANNED.plan.model_copy(update={"changes": ()})})
    with pytest.raises(InvalidInput, match="nothing to approve"):
        approve(PlanFile.of(empty, None), SIGNER, NOW, reason="r", days=7)


def test_a_secret_in_the_reason_is_refused(tmp_path: Path) -> None:
    """The ledger would hide it, and nobody could verify the signature from there. Nor is it written into a plan."""
    remember("hunter2-hunter2")
    with pytest.raises(InvalidInput, match="approval holds a secret"):
        approve(FILE, SIGNER, NOW, reason="hunter2-hunter2", days=7)
    plan = PLANNED.plan.model_copy(update={"changes": (CUT.model_copy(update={"name": "hunter2-hunter2"}),)})
    with pytest.raises(InvalidInput, match="plan holds a secret"):
        write_new(tmp_path / "plan.json", PlanFile.of(PLANNED.model_copy(update={"plan": plan}), None))
    assert not (tmp_path / "plan.json").exists()


def test_a_change_that_this_release_does_not_know_to_be_unsafe_is_refused(tmp_path: Path) -> None:
    """It could not say why; whoever made the file may have computed checksum and digest to fit."""
    change = CUT.model_copy(update={"unsafe": ("unheard-of",)})
    planned = PLANNED.model_copy(update={"plan": PLANNED.plan.model_copy(update={"changes": (change,)})})
    write_new(tmp_path / "plan.json", PlanFile.of(planned, None))
    with pytest.raises(InvalidInput) as caught:
        read_plan(tmp_path / "plan.json")
    assert "does not know unheard-of" in caught.value.cause


def test_of_a_name_that_is_there_twice_none_is_believed(tmp_path: Path) -> None:
    content = APPROVAL.text().decode().replace('"reason":', '"reason":"other","reason":')
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InvalidInput, match="is not an approval"):
        read_approval(tmp_path / "a.json")


def test_files_are_canonical_and_read_back(tmp_path: Path) -> None:
    """And none is written over."""
    for name, file in (("plan.json", FILE), ("approval.json", APPROVAL)):
        write_new(tmp_path / name, file)
        content = (tmp_path / name).read_bytes()
        assert content == rfc8785.dumps(json.loads(content)) + b"\n"
        with pytest.raises(InvalidInput, match="exists already"):
            write_new(tmp_path / name, file)
    assert (read_plan(tmp_path / "plan.json"), read_approval(tmp_path / "approval.json")) == (FILE, APPROVAL)


def test_what_the_second_key_agreed_to_has_its_reason_and_end() -> None:
    """Anything else in the same entry has those of the user."""
    entry = {"document": APPROVAL.model_dump(mode="json"), "reason": "mine", "until": None}
    assert recorded(entry) == APPROVAL
    assert terms(entry, "shorter-retention") == ("agreed", utc_text(NOW + timedelta(days=7))[:10])
    assert terms(entry, "many") == ("mine", None)
    assert isinstance(Approval.model_validate(entry["document"]), Approval)
