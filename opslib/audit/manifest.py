"""The manifest of an audit folder: the hash of each file and the head of the ledger, signed; and the check of it.

That of a portfolio also has the hash of each target's own manifest, and so of all that is in the target's folder.

`manifest.json` is ASCII JSON with sorted keys, two spaces a level and a line break at its end. What is signed is just
that text with an empty `signature`. No other spelling is accepted, so that no changed byte goes unnoticed.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from opslib.audit.words import counted
from opslib.errors import LedgerError
from opslib.files import read_regular
from opslib.ledger.chain import Verification
from opslib.ledger.signing import Signer, verify_signature

NAME = "manifest.json"
# That of an audit names some ten files, that of a portfolio 170 bytes for each target; what is longer is another file.
_LONGEST_BYTES = 10_000_000


def _file_name(name: str) -> str:
    if not name or Path(name).name != name or name in ("..", NAME):
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


class _Manifest(_Part):
    """`at` (UTC) is the time of what the files tell, so that equal audits have equal manifests."""

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

    def write(self, folder: Path, signer: Signer) -> None:
        """Sign it, and write it to a folder."""
        (folder / NAME).write_bytes(self.model_copy(update={"signature": signer.sign(self.text())}).text())


class Manifest(_Manifest):
    """That of one run's audit."""

    type: Literal["opslib audit 1"] = "opslib audit 1"
    run: str


class PortfolioManifest(_Manifest):
    """That of a portfolio. `folders` has each target's folder with the hash of the manifest in it."""

    type: Literal["opslib portfolio 1"] = "opslib portfolio 1"
    folders: dict[Annotated[str, AfterValidator(_file_name)], FileHash]


_EITHER: TypeAdapter[Manifest | PortfolioManifest] = TypeAdapter(
    Annotated[Manifest | PortfolioManifest, Field(discriminator="type")]
)


def write_manifest(folder: Path, run_id: str, at: str, ledger: Verification, signer: Signer) -> None:
    """Name and sign every file in a folder."""
    Manifest(run=run_id, at=at, ledger=_head(ledger), files=_files(folder), key=signer.public_key).write(folder, signer)


def write_portfolio_manifest(folder: Path, at: str, ledger: Verification, signer: Signer) -> None:
    """Name and sign every file in a folder, and every folder with an audit."""
    audits = {path.name: _hash(path / NAME) for path in folder.iterdir() if path.is_dir()}
    named = {"at": at, "ledger": _head(ledger), "files": _files(folder), "folders": audits, "key": signer.public_key}
    PortfolioManifest.model_validate(named).write(folder, signer)


def _head(ledger: Verification) -> LedgerHead:
    return LedgerHead(state=ledger.state, entries=ledger.entries, head=ledger.head, key=ledger.key)


def _files(folder: Path) -> dict[str, FileHash]:
    return {file.name: _hash(file) for file in folder.iterdir() if file.is_file()}


def folders_of(folder: Path) -> list[str] | None:
    """The folders of the targets that a portfolio in this folder has; None where there is no portfolio."""
    manifest = _read(folder / NAME) if is_audit(folder) else None
    return list(manifest.folders) if isinstance(manifest, PortfolioManifest) else None


def is_audit(path: Path) -> bool:
    """Whether a path is the folder of an audit, or of a portfolio."""
    return (path / NAME).is_file()


def check_audit(folder: Path, pinned: str | None = None) -> Verification:
    """Check an audit folder, or a portfolio with every audit in it. `entries` and `head` are the ledger's, as the
    manifest names them.

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
        reason=wrong or f"all {_counted(manifest)} are as they were signed",
        key=manifest.key,
        not_proved=() if wrong else tuple(_not_proved(folder, manifest, pinned)),
    )


def _counted(manifest: Manifest | PortfolioManifest) -> str:
    if isinstance(manifest, Manifest):
        return f"{len(manifest.files)} files"
    return f"{len(manifest.files)} files, and those in the folders of {counted(len(manifest.folders), 'target')},"


def _wrong(folder: Path, manifest: Manifest | PortfolioManifest, pinned: str | None) -> Iterator[str]:
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
        if not file.is_dir() and file.name not in (NAME, *manifest.files) and not file.name.startswith("."):
            yield f"{file.name} is not part of the audit"
    for name, expected in _folders(manifest).items():
        below = folder / name
        if not is_audit(below):
            yield f"{name} is missing, or holds no audit"
        elif _hash(below / NAME) != expected:
            yield f"{name}/{NAME} was changed"
        elif (found := _check(below, manifest.key)).state == "broken":
            yield f"{name}: {found.reason}"


def _folders(manifest: Manifest | PortfolioManifest) -> dict[str, FileHash]:
    return manifest.folders if isinstance(manifest, PortfolioManifest) else {}


def _not_proved(folder: Path, manifest: Manifest | PortfolioManifest, pinned: str | None) -> Iterator[str]:
    if not pinned:
        yield "whose key it is: compare it with the one that its owner gave you (--key)"
    if manifest.ledger.state != "intact":
        yield f"what the ledger says: when this audit was made, its check found it {manifest.ledger.state}"
    if manifest.ledger.key != manifest.key:
        yield f"that who signed this audit signed the ledger, too: its key is {manifest.ledger.key or 'none'}"
    yield "that it tells what the ledger says: verify the ledger, too, and compare the heads"
    if beside := sorted(_beside(folder, manifest)):
        yield f"what is beside it, hidden files and folders: {', '.join(beside)}"


def _beside(folder: Path, manifest: Manifest | PortfolioManifest) -> Iterator[str]:
    """What is in a folder, and in those of a portfolio, that no manifest names."""
    known = (NAME, *manifest.files, *_folders(manifest))
    yield from (path.name for path in folder.iterdir() if path.name not in known)
    for name in _folders(manifest):
        below = _read(folder / name / NAME)
        yield from (f"{name}/{one}" for one in _beside(folder / name, below)) if below else ()


def _read(file: Path) -> Manifest | PortfolioManifest | None:
    """The manifest; None where it is not as opslib writes it."""
    text = read_regular(file, _LONGEST_BYTES)
    try:
        manifest = _EITHER.validate_json(text)
    except ValidationError:
        return None
    return manifest if manifest.text() == text else None


def _hash(file: Path) -> FileHash:
    with file.open("rb") as opened:
        return FileHash(bytes=file.stat().st_size, sha256=hashlib.file_digest(opened, "sha256").hexdigest())
