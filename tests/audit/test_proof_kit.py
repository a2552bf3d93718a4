"""What comes with an audit for a reader who is not a programmer: one zip, an instruction whose commands are run here
just as they are printed, and an index."""

import hashlib
import json
import os
import random
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opslib.audit import controls
from opslib.audit.facts import load
from opslib.audit.folder import write_audit, zip_of
from opslib.audit.folder_files import EVIDENCE_INDEX, FILES, HOW_TO_VERIFY, SCRIPTS
from opslib.audit.how_to_verify import FIGURES_ANSWERS, SIGNATURE_ANSWERS, Answer
from opslib.audit.report import RECORDED, AuditReport
from opslib.audit.verify import verify
from opslib.errors import InvalidInput, LedgerError
from opslib.ledger.signing import Signer

from ..forks import opslib
from ..world import own_key, without_settings
from .scripts import script

OWN = "the owner's"
ANOTHER = "ed25519:" + "ab" * 32
Mutation = Callable[[Path], object]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of the recorded run's audit."""
    out = tmp_path_factory.mktemp("kit") / "report"
    write_audit(out, home=RECORDED.parent, signing_key=own_key(), zipped=True)
    return zip_of(out)


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    """What a reader has after unpacking it."""
    with zipfile.ZipFile(packed) as file:
        file.extractall(tmp_path)
    (unpacked,) = tmp_path.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `py` and `python3` are this Python, without its packages: -I -S."""
    programs = tmp_path_factory.mktemp("programs")
    for name in ("py", "python3"):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
        (programs / name).chmod(0o755)
    return f"{programs}:{os.environ['PATH']}"


def _printed(folder: Path) -> list[str]:
    """The commands of the instruction, for each system to verify and to recompute; then opslib's."""
    return [unescape(one) for one in re.findall(r"<code[^>]*>(.*?)</code>", (folder / HOW_TO_VERIFY).read_text())]


def _run(command: str, folder: Path, path: str) -> str:
    done = subprocess.run(command, shell=True, cwd=folder, env={"PATH": path}, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == done.stdout.startswith(("intact: ", "agrees "))
    return done.stdout + done.stderr


_STANDS_FOR = {
    "NUMBER": r"\d+",
    "KEY": "ed25519:[0-9a-f]{64}",
    "FILE": r"[\w.]+",
    "FIGURE": ".+",
    "REASON": ".+",
}


def _is(said: str, answer: Answer) -> bool:
    """Whether a line begins as the instruction says; words in capitals stand for others, but for those of a verdict."""
    parts = re.split(rf"\b({'|'.join(_STANDS_FOR)})\b(?!:)", answer.begins)
    return bool(re.match("".join(_STANDS_FOR.get(part, re.escape(part)) for part in parts), said))


def _begins(words: str) -> Answer:
    (found,) = [one for one in SIGNATURE_ANSWERS if one.begins.startswith(words)]
    return found


CASES: dict[str, tuple[str, Mutation, str]] = {
    "the right key": ("intact", lambda folder: None, OWN),
    "no key": ("SIGNED BY", lambda folder: None, ""),
    "another key": ("NOT INTACT: it is signed", lambda folder: None, ANOTHER),
    "a changed byte": ("NOT INTACT: FILE was changed", lambda folder: _flip(folder / "audit.pdf"), OWN),
    "a changed script": ("NOT INTACT: FILE was changed", lambda folder: _flip(folder / "recompute.py"), OWN),
    "a removed file": ("NOT INTACT: FILE is missing", lambda folder: (folder / "samples.csv").unlink(), OWN),
    "an added file": ("NOT INTACT: FILE is not part", lambda folder: (folder / "notes.txt").write_text("x"), OWN),
    "a changed list": ("NOT INTACT: the signature", lambda folder: _relist(folder), OWN),
    "not a key": ("CANNOT BE CHECKED", lambda folder: None, "KEY"),
}


def _owners() -> str:
    return Signer.load(own_key()).public_key


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _relist(folder: Path) -> None:
    listed = json.loads((folder / "manifest.json").read_text())
    listed["files"]["audit.pdf"]["bytes"] += 1
    (folder / "manifest.json").write_text(json.dumps(listed, indent=2, sort_keys=True) + "\n")


@pytest.mark.parametrize("case", CASES)
def test_each_printed_command_gives_an_answer_that_is_printed(folder: Path, path: str, case: str) -> None:
    """On Windows as on macOS and Linux, and with nothing but Python; each with the answer that the case must have."""
    begins, mutate, given = CASES[case]
    key = _owners() if given == OWN else given
    mutate(folder)
    windows, _, others, *_ = _printed(folder)
    assert (windows, others) == ("py verify_audit.py . KEY", "python3 verify_audit.py . KEY")
    for command in (windows, others):
        said = _run(command.replace("KEY", key), folder, path)
        assert [one for one in SIGNATURE_ANSWERS if _is(said, one)] == [_begins(begins)], said


def test_every_answer_that_is_printed_is_one_of_the_cases() -> None:
    """The instruction explains no answer that the script does not give."""
    assert {_begins(begins).begins for begins, _, _ in CASES.values()} == {one.begins for one in SIGNATURE_ANSWERS}


def test_the_figures_agree_differ_or_cannot_be_recomputed(folder: Path, path: str) -> None:
    """The second pair of commands, line by line."""
    agrees, differs, cannot = FIGURES_ANSWERS
    _, windows, _, others, _ = _printed(folder)
    assert (windows, others) == ("py recompute.py .", "python3 recompute.py .")
    for command in (windows, others):
        assert all(_is(line, agrees) for line in _run(command, folder, path).splitlines())
    figures = json.loads((folder / "report.json").read_text())
    figures["metrics"]["total_operations"] += 1
    (folder / "report.json").write_text(json.dumps(figures))
    lines = subprocess.run(others, shell=True, cwd=folder, env={"PATH": path}, capture_output=True, text=True)
    assert [_is(line, differs) for line in lines.stdout.splitlines()].count(True) == 1
    assert lines.returncode == 1
    (folder / "samples.csv").unlink()
    assert _is(_run(others, folder, path), cannot)


def test_the_printed_command_of_opslib_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key, and with another one."""
    monkeypatch.chdir(folder)
    *_, command = _printed(folder)
    for key, begins in ((_owners(), "intact: "), (ANOTHER, "NOT INTACT: ")):
        program, *words = command.replace("KEY", key).split()
        assert program == "opslib"
        assert opslib(without_settings(), *words).stdout.startswith(begins)


def test_the_scripts_need_nothing_but_python(folder: Path) -> None:
    """So a reviewer needs no right to install anything."""
    for name in SCRIPTS:
        imported = re.findall(r"(?m)^(?:import|from) (\w+)", (folder / name).read_text())
        assert set(imported) <= sys.stdlib_module_names


def test_the_script_takes_just_the_signatures_that_the_library_takes() -> None:
    """Good ones, and ones with a bit changed in key, signature or message; also one whose number is too large."""
    signed_by, order = script("verify_audit").signed_by, script("verify_audit").ORDER
    chance = random.Random(7)
    for _ in range(8):
        private = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        message = chance.randbytes(chance.randrange(80) + 1)
        parts = [private.public_key().public_bytes_raw(), private.sign(message), message]
        assert signed_by(*parts)
        number = int.from_bytes(parts[1][32:], "little") + order
        assert not signed_by(parts[0], parts[1][:32] + number.to_bytes(32, "little"), message)
        for which in range(3):
            changed = [bytearray(part) for part in parts]
            changed[which][chance.randrange(len(parts[which]))] ^= 1 << chance.randrange(8)
            assert _answer(signed_by, *map(bytes, changed)) == _answer(_library, *map(bytes, changed)) is False


def _library(key: bytes, signature: bytes, message: bytes) -> bool:
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    return True


def _answer(take: Callable[..., bool], *parts: bytes) -> bool:
    try:
        return take(*parts)
    except (InvalidSignature, ValueError):
        return False


def test_the_index_names_each_file_with_its_hash_and_each_control(folder: Path) -> None:
    """The hashes are the files', entries and verdicts the report's, and each file that it points to is there."""
    index = (folder / EVIDENCE_INDEX).read_text().replace("<wbr>", "")
    for name in FILES:
        assert f">{name}<" in index
    for name in set(FILES) - {EVIDENCE_INDEX, "manifest.json"}:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in index, name
    for result in controls.results(AuditReport.open(home=RECORDED.parent, signing_key=own_key()).facts):
        row = next(row for row in index.split("<tr") if result.claim in unescape(row))
        assert f"verdict-{result.word.replace('_', '-')}" in row
        assert ("all" if result.entries == "all" else ", ".join(map(str, result.entries))) in row
    assert set(re.findall(r"[\w.]+\.(?:csv|jsonl|json|html|pdf|py)\b", index)) <= set(FILES)


def test_the_zip_is_one_plain_folder_and_the_same_bytes_again(packed: Path, tmp_path: Path) -> None:
    """No absolute name, no other file, no program bit, the ledger's time; packed again, every byte is the same."""
    again = tmp_path / "report"
    write_audit(again, home=RECORDED.parent, signing_key=own_key(), zipped=True)
    assert zip_of(again).read_bytes() == packed.read_bytes()
    with zipfile.ZipFile(packed) as file:
        tops, names = zip(*(entry.filename.split("/") for entry in file.infolist()), strict=True)
        assert {stat.S_IMODE(entry.external_attr >> 16) for entry in file.infolist()} == {0o644}
        assert len({entry.date_time for entry in file.infolist()}) == 1
        private = own_key().read_bytes()
        assert all(private not in file.read(entry) for entry in file.infolist())
    assert set(tops) == {f"audit-{load(RECORDED.parent).run_id}"}
    assert names == FILES


def test_a_zip_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """Also not where it is a link to nowhere; nothing is written."""
    out = tmp_path / "report"
    for make in (lambda: zip_of(out).write_text("mine"), lambda: zip_of(out).symlink_to(tmp_path / "nowhere")):
        make()
        with pytest.raises(InvalidInput, match="is there already"):
            write_audit(out, home=RECORDED.parent, signing_key=own_key(), zipped=True)
        assert [one.name for one in tmp_path.iterdir()] == ["report.zip"]
        zip_of(out).unlink()


def _packed(file: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return file


def test_a_zip_is_verified_as_its_folder_is(packed: Path, tmp_path: Path) -> None:
    """Good as it is; a changed, added or removed file is named."""
    assert verify(packed, _owners()).intact
    with zipfile.ZipFile(packed) as file:
        good = {entry.filename: file.read(entry) for entry in file.infolist()}
    (pdf,) = [name for name in good if name.endswith(".pdf")]
    for name, entries in {
        "audit.pdf was changed": {**good, pdf: good[pdf] + b" "},
        "x is not part of the audit": {**good, f"{pdf.split('/')[0]}/x": b""},
        "audit.pdf is missing": {name: content for name, content in good.items() if name != pdf},
    }.items():
        found = verify(_packed(tmp_path / "changed.zip", entries), _owners())
        assert (found.intact, found.reason) == (False, name)


@pytest.mark.parametrize(
    "names",
    [
        ["../evil", "../manifest.json"], ["/etc/evil"], ["a/b/c"], ["a/../b"], ["evil"], ["a/x", "b/y"], ["a/"],
        [f"a/{number}" for number in range(101)],
    ],
    ids=lambda names: names[0],
)  # fmt: skip
def test_a_zip_that_is_no_audit_is_not_unpacked(tmp_path: Path, names: list[str]) -> None:
    """Names that lead out of it, folders in folders, too much: one error, and nothing is written beside it."""
    made = _packed(tmp_path / "made.zip", dict.fromkeys(names, b"x"))
    with pytest.raises(LedgerError, match=r"made\.zip cannot be read as a zip of an audit"):
        verify(made)
    assert list(tmp_path.iterdir()) == [made]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_compressed_is_not_unpacked(method: int, tmp_path: Path) -> None:
    """A few hundred bytes may unpack to gigabytes, whatever size they say, and garbage is not unpacked at all."""
    entry = zipfile.ZipInfo(f"audit-{method}/manifest.json")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as file:
        file.writestr(entry, b"garbage")
    content = (tmp_path / "bomb.zip").read_bytes()
    for start, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at += content.index(start)
        content = content[:at] + method.to_bytes(2, "little") + content[at + 2 :]
    (tmp_path / "bomb.zip").write_bytes(content)
    with pytest.raises(LedgerError) as refused:
        verify(tmp_path / "bomb.zip")
    assert "it is compressed" in refused.value.cause
    assert "unpack it yourself" in refused.value.fix


def test_a_zip_that_is_cut_off_or_lies_about_its_size_is_an_error(packed: Path, tmp_path: Path) -> None:
    """Not a traceback."""
    whole = packed.read_bytes()
    for number, content in enumerate((whole[:1000], whole[:4], whole.replace(b"PK\x01\x02", b"PK\x01\x03"))):
        (file := tmp_path / f"{number}.zip").write_bytes(content)
        with pytest.raises(LedgerError):
            verify(file)
