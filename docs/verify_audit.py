"""Prove the folder of an opslib audit without opslib: python verify_audit.py FOLDER [PUBLIC_KEY]

Exit code 0 only if every file is as it was signed. What is signed, and what this cannot prove: docs/audit.md.
"""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def need(true, otherwise):
    if not true:
        sys.exit(f"NOT INTACT: {ascii(otherwise)[1:-1]}")  # in ascii a terminal finds nothing to obey


def spelled(manifest):
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def check(folder, pinned=None):
    written = (folder / "manifest.json").read_bytes()
    manifest = json.loads(written)
    need(spelled(manifest) == written, "manifest.json is spelled otherwise than it was written")
    key, signature = manifest["key"], manifest["signature"]
    need(pinned in (None, key), f"it is signed with another key, {key}")
    need(bytes.fromhex(signature).hex() == signature, "the signature is spelled otherwise than it was written")
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.removeprefix("ed25519:")))
    try:
        public.verify(bytes.fromhex(signature), spelled({**manifest, "signature": ""}))
    except InvalidSignature:
        need(False, "the signature of manifest.json is not the key's")
    for name, stated in manifest["files"].items():
        need(Path(name).name == name and (folder / name).is_file(), f"{name} is missing")
        content = (folder / name).read_bytes()
        found = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        need(found == stated, f"{name} was changed")
    for file in folder.iterdir():
        known = file.name in ("manifest.json", *manifest["files"]) or file.name.startswith(".") or file.is_dir()
        need(known, f"{file.name} is not part of the audit")
    ledger = manifest["ledger"]
    return f"intact: {len(manifest['files'])} files, signed with {key}; made from the ledger with head {ledger['head']}"


if __name__ == "__main__":
    print(ascii(check(Path(sys.argv[1]), *sys.argv[2:3]))[1:-1])
