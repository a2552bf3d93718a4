"""A verification of the archive in a workspace: one at a time, in private folders, and what it leaves for the next."""

import asyncio
import hashlib
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opslib.archive.listing import Progress
from opslib.archive.report import Verification
from opslib.errors import Busy, InvalidInput
from opslib.ledger.archive import VERIFIED
from opslib.ledger.ledger import Ledger
from opslib.settings import Settings
from opslib.walk import archive
from opslib.walk.archive import ArchiveQuestion, verify_archive

from ..archive.s3_stub import DENIED, MODIFIED_MS, Stub, archive_keys, serving

KEYS = archive_keys(5, 2, root="voice/")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with serving(Stub(KEYS)) as stub:
        for name, value in {"ENDPOINT_URL_S3": stub.url, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield stub


@pytest.fixture
def asked(tmp_path: Path) -> ArchiveQuestion:
    rows = [f"{key.split('/')[-2].partition('=')[2]},{MODIFIED_MS}" for key in KEYS]
    (tmp_path / "expected.csv").write_text("\n".join(["conversation_id,ended_at", *rows]))
    return ArchiveQuestion(tmp_path / "expected.csv", "recordings", "voice", now=datetime(2026, 12, 1, tzinfo=UTC))


def settings_in(home: Path) -> Settings:
    return Settings(home=home, signing_key=home.parent / "keys" / "key.pem")


def verified(asked: ArchiveQuestion, home: Path, out: Path | None = None) -> Verification:
    return asyncio.run(verify_archive(asked, None, settings_in(home), out=out))


def listed(stub: Stub) -> int:
    """How many days were listed; the calls to STS and for folders are others."""
    return sum("/day=" in query.get("prefix", "") for query in stub.requests)


def test_what_it_keeps_is_private(tmp_path: Path, stub: Stub, asked: ArchiveQuestion) -> None:
    """Also where it is the first thing in a new workspace."""
    home = tmp_path / "new" / "home"
    assert verified(asked, home).verdict == "PASS"
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "archive")] == [0o700, 0o700]


def test_a_second_one_at_the_same_time_is_refused(tmp_path: Path, stub: Stub, asked: ArchiveQuestion) -> None:
    """It reads nothing, and the first one is not disturbed; in another workspace it may work."""
    settings = settings_in(tmp_path / "home")
    at_work, go_on = threading.Event(), threading.Event()

    def hold(_: Progress) -> None:
        at_work.set()
        go_on.wait(60)

    async def both() -> Verification:
        first = asyncio.ensure_future(verify_archive(asked, None, settings, progress=hold))
        await asyncio.to_thread(at_work.wait, 60)
        try:
            with pytest.raises(Busy) as refused:
                await verify_archive(asked, None, settings, out=tmp_path / "out")
            assert "OPSLIB_HOME" in refused.value.fix
            assert not (tmp_path / "out").exists()
            other = await verify_archive(asked, None, settings.model_copy(update={"home": tmp_path / "other"}))
            assert other.verdict == "PASS"
        finally:
            go_on.set()
        return await first

    assert asyncio.run(both()).verdict == "PASS"
    assert verified(asked, tmp_path / "home").verdict == "PASS"


def test_lists_of_an_earlier_run_do_not_outlive_one_that_fails(
    tmp_path: Path, stub: Stub, asked: ArchiveQuestion
) -> None:
    out = tmp_path / "out"
    verified(asked, tmp_path / "home", out)
    assert (out / "missing.csv").exists()
    (tmp_path / "other.csv").write_text("conversation_id,ended_at\nc,never\n")
    with pytest.raises(InvalidInput):
        verified(replace(asked, expected=tmp_path / "other.csv"), tmp_path / "home", out)
    assert list(out.iterdir()) == []


def test_the_list_is_noted_as_it_was_read(tmp_path: Path, stub: Stub, asked: ArchiveQuestion) -> None:
    """Though it is another one, or gone, when the bucket has been read."""
    sha256, settings = hashlib.sha256(asked.expected.read_bytes()).hexdigest(), settings_in(tmp_path / "home")
    gone = asyncio.run(verify_archive(asked, None, settings, progress=lambda _: asked.expected.unlink(missing_ok=True)))
    assert gone.verdict == "PASS"
    (entry,) = Ledger(settings.home).entries(VERIFIED)
    assert entry.data["expected"]["sha256"] == sha256


@pytest.mark.parametrize("prefix", ["voice/", "", "voice"])
def test_parts_serve_the_same_prefix_only(tmp_path: Path, stub: Stub, asked: ArchiveQuestion, prefix: str) -> None:
    """With or without its slash: what was read of it is not asked for again, after a run that left a gap."""
    stub.fault = lambda query: DENIED if query.get("prefix", "").endswith("/day=2/") else None
    assert verified(asked, tmp_path / "home").verdict == "UNKNOWN"
    stub.fault = lambda _: None
    stub.requests.clear()
    verified(replace(asked, prefix=prefix), tmp_path / "home")
    assert listed(stub) == (1 if prefix else 0)


def test_what_goes_on_is_judged_as_of_its_beginning(
    tmp_path: Path, stub: Stub, asked: ArchiveQuestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that were read then know of nothing that came later; after a day, all is read again."""
    asked, home = replace(asked, now=None), tmp_path / "home"
    stub.fault = lambda query: DENIED if query.get("prefix", "").endswith("/day=2/") else None
    first = verified(asked, home).answer.question.now_ms
    stub.requests.clear()
    assert verified(asked, home).answer.question.now_ms == first
    assert listed(stub) == 1

    monkeypatch.setattr(archive, "_GOES_ON_WITHIN", timedelta())
    stub.requests.clear()
    assert verified(asked, home).answer.question.now_ms > first
    assert listed(stub) == 5


@pytest.mark.parametrize(
    "change", [{"within_hours": float("nan")}, {"within_hours": float("inf")}, {"bucket": ""}, {"bucket": "s3://b"}]
)
def test_what_cannot_be_asked_is_refused_with_a_fix(asked: ArchiveQuestion, change: dict) -> None:
    with pytest.raises(InvalidInput) as refused:
        replace(asked, **change)
    assert refused.value.cause
    assert refused.value.fix
