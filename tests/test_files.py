"""The files that a user names: only regular ones, up to a size; a FIFO or a device would never end."""

import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.errors import InvalidInput, LedgerError, OpslibError, SigningKeyError
from opslib.files import read_regular
from opslib.ledger.database import reading
from opslib.ledger.export import from_line, open_export, write_export
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer, read_public_key
from opslib.onboarding.file import load_onboarding, parse_onboarding
from opslib.onboarding.models import Onboarding
from opslib.settings import Settings
from opslib.validator.profile_loader import load_profile


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _large(path: Path) -> Path:
    path.write_bytes(b"#" * 2_000_000)
    return path


NOT_FILES: dict[str, Callable[[Path], Path]] = {
    "fifo": _fifo,
    "link to itself": _loop,
    "folder": _folder,
    "too large": _large,
    "device": lambda path: Path("/dev/zero"),
    "link to a device": lambda path: (path.symlink_to("/dev/zero"), path)[1],
    "null character": lambda path: Path(f"{path}\0.yaml"),
    "not there": lambda path: path,
}


@pytest.fixture(params=NOT_FILES)
def not_a_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return NOT_FILES[request.param](tmp_path / "given.yaml")


@pytest.mark.timeout(30)
def test_each_reader_refuses_what_is_not_a_file(not_a_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and with cause and fix, whatever kind of file was expected."""
    for read in (load_onboarding, lambda path: load_profile(str(path)), lambda path: read_public_key(str(path))):
        with pytest.raises(InvalidInput) as caught:
            read(not_a_file)
        assert caught.value.cause
        assert caught.value.fix


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["fifo", "link to itself", "folder", "too large", "device"])
def test_a_key_is_a_small_regular_file(kind: str, tmp_path: Path) -> None:
    """The same for the key that signs."""
    with pytest.raises(SigningKeyError):
        Signer.load(NOT_FILES[kind](tmp_path / "key.pem"))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["fifo", "link to itself", "folder", "device", "not there"])
def test_a_ledger_is_a_regular_file(kind: str, tmp_path: Path) -> None:
    """Also in the place of the workspace's ledger, and where it is to be exported."""
    place = NOT_FILES[kind](tmp_path / "ledger.sqlite3")
    with pytest.raises(LedgerError), reading(place):
        pass
    with pytest.raises(LedgerError):
        write_export(place, tmp_path / "out.jsonl")


def test_a_link_to_itself_is_refused_as_the_place_of_an_export(tmp_path: Path) -> None:
    """Not with the RuntimeError of Path.resolve."""
    ledger = Ledger(tmp_path / "home")
    ledger.start_run("test")
    with pytest.raises((OpslibError, OSError)):
        write_export(tmp_path / "home", _loop(tmp_path / "out") / "x.jsonl")
    ledger.close()


def test_a_key_s_place_may_be_a_link_to_itself(tmp_path: Path) -> None:
    """The key is refused, as one that cannot be read."""
    ledger = Ledger(tmp_path / "home", _loop(tmp_path / "key.pem"))
    with pytest.raises(SigningKeyError):
        ledger.start_run("test")
    ledger.close()


def test_a_regular_file_is_read_to_the_last_byte(tmp_path: Path) -> None:
    """Up to the size, not one byte more."""
    file = tmp_path / "f"
    file.write_bytes(b"12345")
    assert read_regular(file, 5) == b"12345"
    with pytest.raises(OSError, match="larger"):
        read_regular(file, 4)


def test_no_more_is_read_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one byte, to see that there is more: a large file does not fill the memory."""
    asked: list[int] = []

    class Large(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(-1 if size is None else size)
            return super().read(size)

    monkeypatch.setattr("opslib.files.open_regular", lambda path: Large(b"x" * 99))
    with pytest.raises(OSError, match="larger"):
        read_regular(Path("f"), 5)
    assert asked == [6]


def test_a_dotenv_that_is_not_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a UnicodeDecodeError."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"OPSLIB_REGION=\xff\xfe\n")
    with pytest.raises(InvalidInput, match=r"\.env cannot be read"):
        Settings.load()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["fifo", "folder", "too large"])
def test_a_dotenv_is_a_small_regular_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read before anything else is known, in whatever folder one stands."""
    monkeypatch.chdir(tmp_path)
    NOT_FILES[kind](tmp_path / ".env")
    with pytest.raises(InvalidInput, match=r"\.env cannot be read"):
        Settings.load()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.mypure\ncloud.com",
        "https://api.mypurecloud.com\\@evil.example",
        "https://api.mypurecloud.com:port",
        "https://[::1",
        "https://\x00.mypurecloud.com",
        "https://" + "a" * 70_000 + ".mypurecloud.com",
        "https://ex\u00e4mple.\ud800mypurecloud.com",
        "http:///127.0.0.1",
        "ftp://api.mypurecloud.com",
    ],
)
def test_a_url_that_httpx_reads_otherwise_is_refused(url: str) -> None:
    """Before anything is sent: no InvalidURL, and no other host than the one that was checked."""
    with pytest.raises(InvalidInput):
        _ = Settings.load(api_url=url).api_base


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({*Onboarding.model_fields, "id", "name", "bucket", "region", "retention_days", "credentials", "url"})


ODD_YAML = [
    "a: &a [*a]", "? {a: b}\n: c", "a: !!python/object:os.x {}", "{" * 5000, "- " * 500, "a: 0x" + "f" * 9999,
    "a: 9" + "9" * 5000, "a: 2026-99-99", "<<: [1]", "=: =", "a: !!set {b}", "%YAML 9.9\n---\na: 1",
]  # fmt: skip
ODD_LINES = [b"[" * 100_000, b'{"table":"head","seq":' + b"9" * 5000 + b"}", b'{"table":["head"]}', b'{"table":{}}']


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.text(max_size=60)
    | st.dictionaries(st.sampled_from(FIELDS), st.dictionaries(st.sampled_from(FIELDS), YAML, max_size=4) | YAML).map(
        lambda values: yaml.safe_dump(values, allow_unicode=False)
    )
    | st.sampled_from(ODD_YAML)
)
def test_any_text_is_an_onboarding_or_refused(text: str) -> None:
    """With the lines named, and never with another exception."""
    with suppress(InvalidInput):
        parse_onboarding(text, "file")


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=80) | st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda text: f"ed25519:{text}"))
def test_any_text_is_a_public_key_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        assert read_public_key(text).startswith("ed25519:")


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=100) | st.sampled_from(ODD_LINES))
def test_any_line_is_a_row_or_refused(line: bytes) -> None:
    """What else an export may hold."""
    with suppress(ValueError):
        from_line(line)


def test_a_line_without_an_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of one endless line is not read into memory."""
    monkeypatch.setattr("opslib.ledger.export._LONGEST_LINE", 1000)
    file = tmp_path / "e.jsonl"
    file.write_bytes(b'{"' + b"x" * 5000)
    with pytest.raises(LedgerError), open_export(file) as record:
        list(record.entries)
