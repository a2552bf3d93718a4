"""The manifest of an audit folder: the hash of each file and the head of the ledger, signed; and the check of it.

`manifest.json` is ASCII JSON with sorted keys, two spaces a level and a line break at its end. What is signed is just
that text with an empty `signature`. No other spelling is accepted, so that no changed byte goes unnoticed.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from opslib.errors import LedgerError
from opslib.files import read_regular
from opslib.ledger.chain import Verification
from opslib.ledger.signing import Signer, verify_signature

NAME = "manifest.json"
# It names some ten files; what is much longer is another file.
_LONGEST_BYTES = 1_000_000


def _file_name(name: str) -> str:
    if not name or Path(name).name != name or name == NAME:
        raise ValueError("not the name of a file beside the manifest")
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LedgerHead(_Part):
    """The ledger as it was when the audit was made: what its check found, and the key that signed it, or nothing."""

    state: Literal["intact", "unsigned", "broken"]
    entries: int
    head: str
    key: str


class FileHash(_Part):
    """One file, byte for byte."""

    bytes: int
    sha256: str


class Manifest(_Part):
    """`at` (UTC) is the time of what the files tell, so that equal audits have equal manifests."""

    type: Literal["opslib audit 1"] = "opslib audit 1"
    run: str
    at: str
    ledger: LedgerHead
    files: dict[Annotated[str, AfterValidator(_file_name)], FileHash]
    key: str
    signature: str = ""

    def text(self) -> bytes:
        """The file's content; without a signature, what is signed."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True).encode("ascii") + b"\n"

    def signed(self) -> bool:
        """Whether the signature is that of the key."""
        return verify_signature(self.key, self.model_copy(update={"signature": ""}).text(), self.signature)


def write_manifest(folder: Path, run_id: str, at: str, ledger: Verification, signer: Signer) -> None:
    """Name and sign every file in a folder."""
    bare = Manifest(
        run=run_id,
        at=at,
        ledger=LedgerHead(state=ledger.state, entries=ledger.entries, head=ledger.head, key=ledger.key),
        files={file.name: _hash(file) for file in folder.iterdir()},
        key=signer.public_key,
    )
    signed = bare.model_copy(update={"signature": signer.sign(bare.text())})
    (folder / NAME).write_bytes(signed.text())


def is_audit(path: Path) -> bool:
    """Whether a path is the folder of an audit."""
    return (path / NAME).is_file()


def check_audit(folder: Path, pinned: str | None = None) -> Verification:
    """Check an audit folder. `entries` and `head` are the ledger's, as the manifest names them.

    `pinned` is the public key that it must be signed with. Raises LedgerError when a file cannot be read.
    """
    try:
        return _check(folder, pinned)
    except OSError as error:
        raise LedgerError(
            f"{folder} cannot be read as an audit", cause=str(error), fix="have the audit handed over again"
        ) from None


def _check(folder: Path, pinned: str | None) -> Verification:
    manifest = _read(folder / NAME)
    if manifest is None:
        return Verification("broken", 0, "", 0, None, f"{NAME} is not as opslib writes it")
    wrong = next(_wrong(folder, manifest, pinned), None)
    return Verification(
        state="broken" if wrong else "intact",
        entries=manifest.ledger.entries,
        head=manifest.ledger.head,
        checkpoints=0,
        bad_seq=None,
        reason=wrong or f"all {len(manifest.files)} files are as they were signed",
        key=manifest.key,
        not_proved=() if wrong else tuple(_not_proved(folder, manifest, pinned)),
    )


def _wrong(folder: Path, manifest: Manifest, pinned: str | None) -> Iterator[str]:
    """What is wrong, in words, the signature first: without it nothing else counts."""
    if pinned and manifest.key != pinned:
        yield f"it is signed with {manifest.key}, not with the key that was given, {pinned}"
    if not manifest.signed():
        yield f"the signature of {NAME} is not the key's"
    for name, expected in manifest.files.items():
        file = folder / name
        if not file.is_file():
            yield f"{name} is missing"
        elif _hash(file) != expected:
            yield f"{name} was changed"
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name not in (NAME, *manifest.files) and not file.name.startswith("."):
            yield f"{file.name} is not part of the audit"


def _not_proved(folder: Path, manifest: Manifest, pinned: str | None) -> Iterator[str]:
    if not pinned:
        yield "whose key it is: compare it with the one that its owner gave you (--key)"
    if manifest.ledger.state != "intact":
        yield f"what the ledger says: when this audit was made, its check found it {manifest.ledger.state}"
    if manifest.ledger.key != manifest.key:
        yield f"that who signed this audit signed the ledger, too: its key is {manifest.ledger.key or 'none'}"
    yield "that it tells what the ledger says: verify the ledger, too, and compare the heads"
    if beside := sorted(path.name for path in folder.iterdir() if path.is_dir()):
        yield f"what is in the folders beside it: {', '.join(beside)}"


def _read(file: Path) -> Manifest | None:
    """The manifest; None where it is not as `write_manifest` writes it."""
    text = read_regular(file, _LONGEST_BYTES)
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        return None
    return manifest if manifest.text() == text else None


def _hash(file: Path) -> FileHash:
    with file.open("rb") as opened:
        return FileHash(bytes=file.stat().st_size, sha256=hashlib.file_digest(opened, "sha256").hexdigest())
