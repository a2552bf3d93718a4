import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opslib.errors import InvalidInput, SigningKeyError
from opslib.ledger.signing import Signer, read_public_key, verify_signature
from opslib.settings import Settings


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700; the next load gives the same key; the public half stands beside it."""
    path = tmp_path / "keys" / "signing_key.pem"
    first, second = Signer.load(path), Signer.load(path)
    assert first.public_key == second.public_key
    assert first.key_id == second.key_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(file.name for file in path.parent.iterdir()) == ["signing_key.pem", "signing_key.pub"]
    assert read_public_key(str(path.with_suffix(".pub"))) == read_public_key(first.public_key) == first.public_key


def test_a_key_is_not_made_where_its_public_half_would_take_its_place(tmp_path: Path) -> None:
    """The public key, named by mistake: what was just signed could never be signed again."""
    with pytest.raises(SigningKeyError, match="public half"):
        Signer.load(tmp_path / "keys" / "anna.pub")
    assert not (tmp_path / "keys").exists()


def test_one_spelling_is_verified_and_no_other(tmp_path: Path) -> None:
    """Only the signature as it was written, of just these bytes, by just this key."""
    signer, other = Signer.load(tmp_path / "a"), Signer.load(tmp_path / "b")
    signature = signer.sign(b"head")
    assert verify_signature(signer.public_key, b"head", signature)
    assert not verify_signature(signer.public_key, b"heaD", signature)
    assert not verify_signature(other.public_key, b"head", signature)
    for wrong in (signature.upper(), signature + " ", signature[:-2], "", "nonsense", other.sign(b"head")):
        assert not verify_signature(signer.public_key, b"head", wrong)
    for wrong in (signer.public_key.removeprefix("ed25519:"), signer.public_key.upper(), "ed25519:", ""):
        assert not verify_signature(wrong, b"head", signature)


def _load(path: Path, names: "multiprocessing.Queue[str]") -> None:
    names.put(Signer.load(path).public_key)


def test_a_key_is_made_in_folders_that_are_made_for_it(tmp_path: Path) -> None:
    """Such as in a home without a folder for configuration; the key's own folder is its owner's alone."""
    before = os.umask(0)
    try:
        Signer.load(tmp_path / "a" / "b" / "key.pem")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")}
    assert (modes["b"], modes["key.pem"]) == (0o700, 0o600)


def test_processes_at_once_agree_on_one_key(tmp_path: Path) -> None:
    """The first use may be several at a time; all end up with the key that is in the file."""
    context = multiprocessing.get_context("spawn")
    names: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_load, args=(tmp_path / "key.pem", names)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {names.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert found == {Signer.load(tmp_path / "key.pem").public_key}
    assert read_public_key(str(tmp_path / "key.pub")) in found


def test_keys_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    """Readable by others, another kind of key, damaged, or in a place that cannot be written: cause and fix."""
    shared = tmp_path / "shared.pem"
    Signer.load(shared)
    shared.chmod(0o640)
    elliptic = tmp_path / "elliptic.pem"
    elliptic.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    protected = tmp_path / "protected.pem"
    protected.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("no key")
    large, own = tmp_path / "large.pem", tmp_path / "own.pem"
    Signer.load(own)
    large.write_bytes(b"#" * 2000 + b"\n" + own.read_bytes())
    for path in (elliptic, protected, damaged, large):
        path.chmod(0o600)
    for path in (shared, elliptic, protected, damaged, large, damaged / "below-a-file"):
        with pytest.raises(SigningKeyError, match="OPSLIB_SIGNING_KEY"):
            Signer.load(path)


def test_a_public_key_is_read_or_refused(tmp_path: Path) -> None:
    """Text or file; anything else names what a key looks like."""
    (tmp_path / "other.pub").write_text("ed25519:1234\n")
    for text in ("ed25519:12", "ed25519:" + "Z" * 64, str(tmp_path / "other.pub"), str(tmp_path / "missing"), ""):
        with pytest.raises(InvalidInput, match="is not a public key"):
            read_public_key(text)


def test_the_key_stands_apart_from_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default neither folder holds the other."""
    monkeypatch.delenv("OPSLIB_SIGNING_KEY", raising=False)
    monkeypatch.delenv("OPSLIB_HOME", raising=False)
    settings = Settings.load()
    assert not settings.signing_key.is_relative_to(settings.home)
    assert not settings.home.is_relative_to(settings.signing_key.parent)
