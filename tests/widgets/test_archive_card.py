"""The archive's card against a sandbox with planted defects, and against an S3 that can be held up."""

import asyncio
import csv
import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import ipywidgets as w
import pytest

from opslib import errors
from opslib.archive.reasons import WORDS
from opslib.ledger.archive import VERIFIED
from opslib.ledger.ledger import Ledger
from opslib.settings import Settings
from opslib.walk.walk import Walk
from opslib.widgets.archive_card import ArchiveCard, ArchiveValues
from opslib.widgets.base_card import StepCancelled
from opslib.widgets.receipt import WIDGET_VIEW

from ..archive.inventories import Item, write_inventory
from ..archive.s3_stub import DENIED, Stub, archive_keys, serving
from ..sandbox.test_recordings import route_on_storage_targets
from ..world import Sandbox, environment, running
from .conftest import everything, fill

BUCKET, PREFIX = "an-archive", "recordings/voice"
KEY = re.compile(r".*/conversation_id=(?P<conversation_id>[^/]+)/(?P<recording_id>[^/.]+)\.opus")


def lines(card: ArchiveCard) -> str:
    """All that the live card says."""
    return "\n".join(one.value for one in everything(card.widget) if isinstance(one, w.HTML))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (the condition is in another thread)
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[Sandbox, str]]:
    """A sandbox to which 80 recordings were routed, and their prefix."""
    with running("--seed", "7", "--recordings", "80", "--planted", "--rate-limit", "10000") as sandbox:
        yield sandbox, route_on_storage_targets(sandbox.api(), sandbox)


@pytest.fixture
def planted(recorded: tuple[Sandbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveCard:
    sandbox, prefix = recorded
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return ArchiveCard(ArchiveValues(expected=sandbox["expected_file"], bucket=sandbox["bucket"], prefix=prefix))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stub]:
    """An S3 in which all of three days arrived."""
    with serving(Stub(archive_keys(3, 5, root=f"{PREFIX}/"))) as stub:
        own = {
            "AWS_ENDPOINT_URL": stub.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "OPSLIB_HOME": str(tmp_path / "home"),
        }
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        yield stub


@pytest.fixture
def card(stub: Stub, tmp_path: Path) -> ArchiveCard:
    """Of that S3, with a list of all that arrived."""
    found = [match.groupdict() for key in stub.keys if (match := KEY.fullmatch(key))]
    path = tmp_path / "expected.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["conversation_id", "recording_id", "ended_at"])
        writer.writeheader()
        writer.writerows(row | {"ended_at": "2025-12-01T00:00:00Z"} for row in found)
    return ArchiveCard(ArchiveValues(expected=str(path), bucket=BUCKET, prefix=PREFIX))


async def test_what_is_planted_is_shown(planted: ArchiveCard, recorded: tuple[Sandbox, str]) -> None:
    """Verdict, counts, pictures and the missing ones, live and without a kernel; the answer is in the ledger."""
    sandbox, _ = recorded
    truth = json.loads(Path(sandbox["truth_file"]).read_text())
    assert (planted.state, len(planted.missing)) == ("ready", 0)
    assert "RECORDED EXAMPLE" not in planted._repr_mimebundle_()["text/html"]  # there is no answer yet
    found = await planted.click()
    assert (found.verdict, planted.state, repr(planted)) == ("FAIL", "failed", "Verify the archive: failed")
    assert {name: found.counts[name] for name in truth if name in found.counts} == {
        name: len(ids) for name, ids in truth.items() if name in found.counts
    }
    assert set(planted.missing["recording_id"]) == set(truth["missing"])
    reasons = {name: set(ids) for name, ids in truth.items() if name in WORDS and ids}
    shown_why = planted.missing.groupby("why")["recording_id"].agg(set).to_dict()
    assert shown_why == {WORDS[name]: ids for name, ids in reasons.items()}
    assert set(planted.at_risk["recording_id"]) == set(truth["due_for_deletion"])
    bundle = planted._repr_mimebundle_()
    assert bundle["text/html"].endswith(planted.receipt())
    assert "RECORDED EXAMPLE" in bundle["text/html"]
    assert "RECORDED EXAMPLE" not in lines(planted)
    assert bundle[WIDGET_VIEW]["model_id"] == planted.widget.model_id
    arrived = len(truth["missing"])
    for shown in (planted.receipt(), lines(planted)):
        assert f"FAIL: {80 - arrived} of 80 recordings that were due arrived" in shown
        assert f"<li>Recordings missing: {arrived}.</li>" in shown
        assert shown.count('role="img"') == shown.count("<img ") == 2
        assert all(name in shown for name in truth["missing"])
        assert shown.count("Why recordings are missing") == shown.count("At risk: deleted in Genesys within") == 1
        assert all(WORDS[name] in shown for name in reasons)
    home = Settings.load().home
    answers = [entry.data["answer"] for entry in Ledger(home).entries() if entry.kind == VERIFIED]
    assert [answer["counts"] for answer in answers] == [found.counts]


async def test_two_runs_have_the_same_receipt_and_name_no_folder(planted: ArchiveCard) -> None:
    """So a stored notebook can be compared, and tells nothing about the machine."""
    await planted.click()
    first = planted.receipt()
    await planted.click()
    assert planted.receipt() == first
    assert ">expected.csv<" in first
    assert str(Path(planted.form.controls["expected"].raw()).parent) not in first


async def test_a_click_a_cell_and_a_second_cell_are_one_verification(card: ArchiveCard) -> None:
    card.run_button.click()
    card.run_button.click()
    first, second = await asyncio.gather(card.click(), card.click())
    assert first is second is card.found
    assert (first.verdict, card.state) == ("PASS", "done")
    assert sum(entry.kind == VERIFIED for entry in Ledger(Settings.load().home).entries()) == 1


async def test_what_is_lacking_is_said_and_nothing_is_sent(stub: Stub) -> None:
    card = ArchiveCard()
    assert card.state == "waiting"
    assert card.run_button.disabled
    with pytest.raises(errors.InvalidInput, match="name the expected file; name the bucket"):
        await card.click()
    assert "Nothing was changed" in card.receipt()
    fill(card.form.controls["expected"], "expected.csv")
    fill(card.form.controls["bucket"], BUCKET)
    assert card.state == "ready"
    assert "alert" not in lines(card)
    assert stub.requests == []
    fill(card.form.controls["expected"], "analytics")
    assert "name the time since which analytics is asked" in lines(card)
    fill(card.form.controls["since"], "2025-11-30T00:00:00Z")
    assert card.state == "ready"


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("since", "2026-01-31T00:00:00", "has no offset"),
        ("until", "yesterday", "is not a time"),
        ("within_hours", 0.0, "must be more than 0"),
        ("bucket", "No Bucket", "bucket"),
    ],
)
async def test_a_field_that_is_not_valid_is_explained_beside_it(
    card: ArchiveCard, field: str, typed: object, words: str
) -> None:
    fill(card.form.controls[field], typed)
    assert words in card.form.controls[field].below.value
    assert card.run_button.disabled
    with pytest.raises(errors.InvalidInput, match=words):
        await card.click()


async def test_the_interval_and_the_hours_are_asked_for(card: ArchiveCard) -> None:
    fill(card.form.controls["since"], "2025-11-30T00:00:00Z")
    fill(card.form.controls["until"], "1767225600000")
    fill(card.form.controls["within_hours"], 1.5)
    answer = (await card.click()).as_json()
    assert (answer["since"], answer["until"]) == ("2025-11-30T00:00:00.000Z", "2026-01-01T00:00:00.000Z")
    assert answer["within_hours"] == 1.5


async def test_an_edit_makes_the_answer_stale_and_back(card: ArchiveCard) -> None:
    await card.click()
    fill(card.form.controls["within_hours"], 2.0)
    assert card.state == "stale"
    assert "an input has changed since. Before: PASS" in lines(card)
    fill(card.form.controls["within_hours"], 24.0)
    assert card.state == "done"


async def test_a_list_that_cannot_be_read_is_an_error_with_its_fix(card: ArchiveCard, stub: Stub) -> None:
    path = Path(card.form.controls["expected"].raw())
    path.write_text("conversation_id;ended_at\na;yesterday\n")
    with pytest.raises(errors.InvalidInput):
        await card.click()
    assert card.state == "failed"
    for shown in (card.receipt(), lines(card)):
        assert "Cause:" in shown
        assert "Fix:" in shown
        assert "row 2" in shown
        assert "Nothing was changed: a verification only reads." in shown
    assert stub.requests == []


def inventory(folder: Path, stub: Stub, file_format: str = "CSV", **changes: str) -> Path:
    """The manifest of an S3 Inventory of that bucket."""
    items = [Item(key, modified=datetime(2025, 12, 1, 1, tzinfo=UTC)) for key in stub.keys]
    return write_inventory(folder, items, file_format, **{"sourceBucket": BUCKET, **changes})


@pytest.mark.parametrize("file_format", ["CSV", "Parquet"])
async def test_an_inventory_is_read_instead_of_the_bucket(
    card: ArchiveCard, stub: Stub, tmp_path: Path, file_format: str
) -> None:
    fill(card.form.controls["inventory"], str(inventory(tmp_path, stub, file_format)))
    found = await card.click()
    assert (found.verdict, card.state, found.counts["arrived"]) == ("PASS", "done", 15)
    assert not [query for query in stub.requests if "prefix" in query]  # nothing is listed
    assert ">manifest.json<" in card.receipt()
    assert str(tmp_path) not in card.receipt()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sourceBucket": "another-bucket"}, "of bucket another-bucket"),
        ({"fileFormat": "ORC"}, "ORC"),
        (None, "No such file"),
    ],
)
async def test_an_inventory_that_cannot_serve_is_an_error_with_its_fix(
    card: ArchiveCard, stub: Stub, tmp_path: Path, changes: dict[str, str] | None, words: str
) -> None:
    """Of another bucket, of a format that is not read, or not there. With a better one, the card answers."""
    field = card.form.controls["inventory"]
    fill(field, str(inventory(tmp_path / "bad", stub, **changes) if changes else tmp_path / "manifest.json"))
    with pytest.raises(errors.InvalidInput) as caught:
        await card.click()
    assert words in caught.value.cause
    assert card.state == "failed"
    for shown in (card.receipt(), lines(card)):
        assert f"<strong>Cause:</strong> {escape(caught.value.cause)}" in shown
        assert f"<strong>Fix:</strong> {escape(caught.value.fix)}" in shown
    fill(field, str(inventory(tmp_path / "good", stub)))
    assert "Cause:" not in lines(card)
    assert (await card.click()).verdict == "PASS"


async def test_a_damaged_part_of_an_inventory_is_unknown(card: ArchiveCard, stub: Stub, tmp_path: Path) -> None:
    manifest = inventory(tmp_path, stub)
    next(tmp_path.rglob("1.csv.gz")).unlink()
    fill(card.form.controls["inventory"], str(manifest))
    found = await card.click()
    assert (found.verdict, card.state) == ("UNKNOWN", "unknown")
    assert "1.csv.gz" in lines(card)


async def test_a_wrong_prefix_is_told_with_the_right_one(card: ArchiveCard) -> None:
    """Else everything would be missing, and nobody would know why. After the correction the old answer is stale."""
    fill(card.form.controls["prefix"], PREFIX.split("/")[0])
    found = await card.click()
    assert found.verdict != "PASS"
    for shown in (card.receipt(), lines(card)):
        assert f"but one below {PREFIX}/ is: name that as the prefix." in shown
    fill(card.form.controls["prefix"], PREFIX)
    assert card.state == "stale"
    assert (await card.click()).verdict == "PASS"


async def test_a_part_that_was_denied_is_unknown_and_says_what_helps(card: ArchiveCard, stub: Stub) -> None:
    """Never FAIL, never PASS."""
    stub.fault = lambda query: DENIED if "day=2" in query.get("prefix", "") else None
    found = await card.click()
    assert (found.verdict, card.state) == ("UNKNOWN", "unknown")
    assert "What could not be read" in card.receipt()
    assert "day=2" in card.receipt()
    assert found.gaps[0].fix in lines(card)


async def test_cancel_stops_the_reading_and_the_next_run_goes_on(card: ArchiveCard, stub: Stub) -> None:
    """What was read is kept; when the card says cancelled, nobody reads any more."""
    held, enough = threading.Event(), 5

    def hold(query: dict[str, str]) -> None:
        if len(stub.requests) > enough:
            held.wait(60)

    stub.fault = hold
    card.run_button.click()
    await until(lambda: 'aria-label="Verify the archive is running"' in lines(card) and "folders known" in lines(card))
    assert card.state == "running"
    assert card.run_button.disabled
    assert not card.cancel_button.disabled
    card.cancel_button.click()
    assert "stopping" in lines(card)
    with pytest.raises(StepCancelled):
        await card.click()
    assert card.state == "cancelled"
    assert "the next run goes on there" in card.receipt()
    assert card.run_button.description == "Try again"
    held.set()
    await until(lambda: not any(one.name.startswith("listing") for one in threading.enumerate()))
    assert (await card.click()).verdict == "PASS"
    folders = [query["prefix"] for query in stub.requests if "prefix" in query]
    days = [folder for folder in folders if "/day=" in folder]
    assert len(days) == len(set(days)) == 3


async def test_a_program_that_ends_is_no_cancelled_card(card: ArchiveCard, stub: Stub) -> None:
    """Who cancels the task itself, as a loop does that ends, gets the cancellation."""
    held = threading.Event()

    def hold(_: dict[str, str]) -> None:
        held.wait(60)

    stub.fault = hold
    card.run_button.click()
    await until(lambda: card.state == "running")
    assert card._task
    card._task.cancel()
    held.set()
    with pytest.raises(asyncio.CancelledError):
        await card._task


async def test_a_defect_becomes_a_card(card: ArchiveCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opslib.widgets.archive_card.verify_archive", lambda *_, **__: 1 / 0)
    with pytest.raises(errors.Defect):
        await card.click()
    assert card.state == "failed"
    assert "ZeroDivisionError" in lines(card)
    assert "Where in the program" in lines(card)


@pytest.mark.parametrize("backend", ["storage-targets", "platform"])
async def test_the_form_begins_with_the_place_that_was_checked(walk: Walk, backend: str) -> None:
    """On the platform API, recordings may be below the organisation's id, and not below the onboarding's folder."""
    walk.onboarding = walk.onboarding.model_copy(update={"backend": backend})
    target = walk.onboarding.target
    before = dict(ArchiveCard.of(walk, expected="list.csv").form.rows())
    assert (before["Expected file"], before["Bucket"], before["Prefix"]) == ("list.csv", target.bucket, "not set")
    async for _ in walk.in_order(until="validate_bucket"):
        pass
    expected = PREFIX if backend == "storage-targets" else walk.settings.org_id
    assert dict(ArchiveCard.of(walk).form.rows())["Prefix"] == expected
