"""Prove the folder of an opslib audit without opslib: python verify_audit.py FOLDER KEY

KEY is the public key that its owner gave you: ed25519:… or the .pub file. Exit code 0 only if every file is as it was
signed with that key; without KEY it is 1, since anybody can sign a folder that they made. More: docs/audit.md.
"""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LONGEST = 1_000_000  # bytes of a manifest or of a key's file


def need(true, otherwise, word="NOT INTACT"):
    if not true:
        sys.exit(f"{word}: {ascii(otherwise)[1:-1][:500]}")  # in ascii a terminal finds nothing to obey


def read(path):
    need(path.is_file(), f"{path} is missing, or is not a regular file", "CANNOT BE CHECKED")
    with path.open("rb") as file:
        content = file.read(LONGEST + 1)
    need(len(content) <= LONGEST, f"{path} is longer than {LONGEST} bytes", "CANNOT BE CHECKED")
    return content


def spelled(manifest):
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def digest(path):
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def check(folder, pinned=None):
    """What is proved, in words; `pinned` is the key that it must be signed with."""
    written = read(folder / "manifest.json")
    manifest = json.loads(written)
    need(spelled(manifest) == written, "manifest.json is spelled otherwise than it was written")
    key, signature = manifest["key"], manifest["signature"]
    need(pinned in (None, key), f"it is signed with another key, {key}")
    raw, signed = bytes.fromhex(key.removeprefix("ed25519:")), bytes.fromhex(signature)
    need((key, signature) == (f"ed25519:{raw.hex()}", signed.hex()), "the key or the signature is respelled")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signed, spelled({**manifest, "signature": ""}))
    except InvalidSignature:
        need(False, "the signature of manifest.json is not the key's")
    for name, stated in manifest["files"].items():
        need(Path(name).name == name and (folder / name).is_file(), f"{name} is missing")
        need(digest(folder / name) == stated, f"{name} was changed")
    for file in folder.iterdir():
        known = file.name in ("manifest.json", *manifest["files"]) or file.name.startswith(".") or file.is_dir()
        need(known, f"{file.name} is not part of the audit")
    files, ledger = len(manifest["files"]), manifest["ledger"]
    made_from = f"made from a ledger that was {ledger['state']}, with head {ledger['head']}"
    return f"all {files} files are as they were signed with {key}; {made_from}"


def main(folder, key=None):
    try:
        if key and not key.startswith("ed25519:"):
            key = read(Path(key)).decode()
        said = check(Path(folder), key and key.strip())
    except Exception as error:  # noqa: BLE001 (a file can be wrong in any way; each ends in one sentence)
        need(False, f"{folder} is not the folder of an audit ({type(error).__name__}: {error})", "CANNOT BE CHECKED")
    need(key, f"{said}. Give the public key that its owner gave you, too", "SIGNED BY AN UNCONFIRMED KEY")
    print(f"intact: {ascii(said)[1:-1]}")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) in (2, 3) else sys.exit(__doc__)
