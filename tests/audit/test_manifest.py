"""An audit folder in which anything was changed is not accepted."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from opslib.audit.manifest import NAME, Manifest, check_audit, write_manifest
from opslib.audit.verify import verify
from opslib.cli.app import cli
from opslib.ledger.chain import Verification
from opslib.ledger.signing import Signer

from .scripts import DOCS, run_script

LEDGER = Verification("intact", 90, "f" * 64, 9, None, "as signed", "ed25519:" + "0" * 64)
CONTENT = {"audit.html": b"<p>PASS</p>" * 50, "audit.pdf": bytes(range(256)) * 4, "samples.csv": b"a,b\n1,2\n"}

Mutation = Callable[[Path, random.Random], None]


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.load(tmp_path / "keys" / "key.pem")


@pytest.fixture
def folder(tmp_path: Path, signer: Signer) -> Path:
    folder = tmp_path / "audit"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    write_manifest(folder, "run-1", "2026-11-24T08:00:00.000Z", LEDGER, signer)
    return folder


def _any_file(folder: Path, chance: random.Random) -> Path:
    return chance.choice(sorted(folder.iterdir()))


def _edit(folder: Path, chance: random.Random) -> None:
    file = _any_file(folder, chance)
    content = bytearray(file.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= chance.randrange(1, 256)
    file.write_bytes(content)


def _cut(folder: Path, chance: random.Random) -> None:
    file = _any_file(folder, chance)
    file.write_bytes(file.read_bytes()[: chance.randrange(file.stat().st_size)])


def _insert(folder: Path, chance: random.Random) -> None:
    file = _any_file(folder, chance)
    content = file.read_bytes()
    place = chance.randrange(len(content) + 1)
    file.write_bytes(content[:place] + chance.randbytes(chance.randrange(1, 9)) + content[place:])


def _remove(folder: Path, chance: random.Random) -> None:
    chance.choice([file for file in sorted(folder.iterdir()) if file.name != NAME]).unlink()


def _add(folder: Path, chance: random.Random) -> None:
    (folder / f"more-{chance.randrange(1000)}.html").write_bytes(chance.randbytes(5))


def _swap(folder: Path, chance: random.Random) -> None:
    one, other = chance.sample(sorted(folder.iterdir()), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _rename(folder: Path, chance: random.Random) -> None:
    file = chance.choice([file for file in sorted(folder.iterdir()) if file.name != NAME])
    file.rename(folder / f"x{file.name}")


def _rewrite(folder: Path, chance: random.Random) -> None:
    """Edit a file and name its new hash, without the key."""
    name = chance.choice(sorted(CONTENT))
    (folder / name).write_bytes(chance.randbytes(20))
    old = Manifest.model_validate_json((folder / NAME).read_bytes())
    (folder / NAME).unlink()
    write_manifest(folder, old.run, old.at, LEDGER, Signer.load(folder.parent / "thief" / "key.pem"))
    forged = Manifest.model_validate_json((folder / NAME).read_bytes())
    (folder / NAME).write_bytes(
        forged.model_copy(update={"key": old.key, "signature": chance.choice([old.signature, forged.signature])}).text()
    )


def _respell(folder: Path, chance: random.Random) -> None:
    """The same manifest in another spelling of JSON."""
    values = json.loads((folder / NAME).read_text())
    indent = chance.choice([None, 1, 4])
    (folder / NAME).write_text(json.dumps(values, indent=indent, sort_keys=chance.random() < 0.5))


def _claim(folder: Path, chance: random.Random) -> None:
    """Another statement in the manifest."""
    values = json.loads((folder / NAME).read_text())
    field, value = chance.choice([("run", "run-2"), ("at", "2025-01-01T00:00:00.000Z"), ("files", {})])
    values[field] = value
    (folder / NAME).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


MUTATIONS: tuple[Mutation, ...] = (
    _edit, _cut, _insert, _remove, _add, _swap, _rename, _rewrite, _respell, _claim,
)  # fmt: skip


def _copy(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


def _without_opslib(folder: Path, *key: str) -> str:
    """What docs/verify_audit.py says."""
    run = run_script("verify_audit", folder, *key)
    assert (run.returncode == 0) == run.stdout.startswith("intact: "), run
    assert "Traceback" not in run.stderr
    return run.stdout + run.stderr


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_the_script_without_opslib_finds_it_too(folder: Path, signer: Signer, tmp_path: Path, mutate: Mutation) -> None:
    """Three of each kind, each in a process of its own, though it knows the key."""
    for seed in range(3):
        changed = _copy(folder, tmp_path / "changed")
        mutate(changed, random.Random(f"{mutate.__name__} {seed}"))
        said = _without_opslib(changed, signer.public_key)
        assert said.startswith(("NOT INTACT", "CANNOT BE CHECKED")), (mutate, seed)


def test_the_script_without_opslib_takes_a_good_folder(folder: Path, signer: Signer) -> None:
    """With the key it must be signed with; it names the ledger's head and what its check had found. Without the key it
    says the same, and that this is not enough."""
    said = _without_opslib(folder, signer.public_key)
    assert said.startswith("intact: all 3 files")
    assert f"made from a ledger that was intact, with head {LEDGER.head}" in said
    assert _without_opslib(folder).startswith("SIGNED BY AN UNCONFIRMED KEY: all 3 files")
    assert "another key" in _without_opslib(folder, "ed25519:" + "0" * 64)
    assert "opslib" not in {line.split()[1] for line in _imports()}


def _imports() -> list[str]:
    lines = (DOCS / "verify_audit.py").read_text().splitlines()
    return [line for line in lines if line.startswith(("import", "from"))]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_every_mutation_is_found(folder: Path, tmp_path: Path, mutate: Mutation) -> None:
    """60 of each kind, seeded, 600 in all; before and after them, the folder as it was is accepted."""
    assert check_audit(folder).intact
    for seed in range(60):
        changed = _copy(folder, tmp_path / "changed")
        mutate(changed, random.Random(f"{mutate.__name__} {seed}"))
        found = check_audit(changed)
        assert not found.intact, (mutate, seed)
        assert found.reason
    assert check_audit(_copy(folder, tmp_path / "changed")).intact


def test_it_says_what_is_wrong(folder: Path) -> None:
    """The file by name."""
    (folder / "samples.csv").write_text("a,b\n1,3\n")
    assert check_audit(folder).reason == "samples.csv was changed"
    (folder / "samples.csv").unlink()
    assert check_audit(folder).reason == "samples.csv is missing"
    (folder / "samples.csv").write_bytes(CONTENT["samples.csv"])
    (folder / "other.csv").touch()
    assert check_audit(folder).reason == "other.csv is not part of the audit"


def test_another_key_is_found_where_one_is_named(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Whoever signs anew has another key; without one to compare with, just this is not proved."""
    assert check_audit(folder, signer.public_key).intact
    thief = Signer.load(tmp_path / "thief.pem")
    (folder / NAME).unlink()
    write_manifest(folder, "run-1", "2026-11-24T08:00:00.000Z", LEDGER, thief)
    assert not check_audit(folder, signer.public_key).intact
    found = check_audit(folder)
    assert found.intact
    assert any("--key" in point for point in found.not_proved)


def test_what_it_cannot_prove_is_said(folder: Path) -> None:
    """The ledger's own signature, its other key, and folders beside it."""
    (folder / "workspace").mkdir()
    said = "; ".join(check_audit(folder).not_proved)
    for words in (LEDGER.key, "verify the ledger, too", "beside it, hidden files and folders: workspace"):
        assert words in said


def test_what_a_file_manager_leaves_behind_does_not_count(folder: Path) -> None:
    """Hidden files are not part of an audit, and what is in them is not proved."""
    (folder / ".DS_Store").touch()
    found = check_audit(folder)
    assert found.intact
    assert found.not_proved[-1].endswith(": .DS_Store")
    (folder / "link").symlink_to("nowhere")
    assert check_audit(folder).reason == "link is not part of the audit"


@pytest.mark.parametrize("name", ["..", "../keys/key.pub", "/etc/hosts", "a/b", "", NAME])
def test_a_manifest_names_nothing_outside_its_folder(folder: Path, name: str) -> None:
    """Such a one is not read any further."""
    values = json.loads((folder / NAME).read_text())
    values["files"][name] = {"bytes": 1, "sha256": "0"}
    (folder / NAME).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    assert check_audit(folder).reason == f"{NAME} is not as opslib writes it"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b"null", b'{"files": []}', b"[" * 100_000, b'"\\ud800"', b"1e999"]
)
def test_a_manifest_that_is_none_is_an_answer(folder: Path, content: bytes) -> None:
    """Never a traceback."""
    (folder / NAME).write_bytes(content)
    found = check_audit(folder)
    assert (found.intact, found.reason) == (False, f"{NAME} is not as opslib writes it")


def test_the_command_takes_the_folder(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """`opslib verify`: exit code 0 and the head; 1 once a byte is different. `verify` takes it, too."""
    key = tmp_path / "keys" / "key.pub"
    good = CliRunner().invoke(cli, ["verify", str(folder), "--key", str(key)])
    assert (good.exit_code, good.output.splitlines()[0]) == (0, "intact: all 3 files are as they were signed")
    assert LEDGER.head in good.output
    with (folder / "audit.pdf").open("ab") as file:
        file.write(b" ")
    bad = CliRunner().invoke(cli, ["verify", str(folder), "--json"])
    assert (bad.exit_code, json.loads(bad.output)["reason"]) == (1, "audit.pdf was changed")
    assert verify(folder).state == "broken"
    assert os.listdir(folder)
