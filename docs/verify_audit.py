"""Prove the folder of an opslib audit without opslib, with nothing but Python: python verify_audit.py FOLDER KEY

KEY is the public key that its owner gave you: ed25519:… or the .pub file. Exit code 0 only if every file is as it was
signed with that key; without KEY it is 1, since anybody can sign a folder that they made. More: docs/audit.md.
"""

import hashlib
import json
import sys
from pathlib import Path

LONGEST = 1_000_000  # bytes of a manifest or of a key's file

# Ed25519, RFC 8032: the prime, the order of the base point, the constant of the curve, and the base point.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)


def add(one, other):
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(number, point):
    total = (0, 1)
    while number:
        total = add(total, point) if number & 1 else total
        point, number = add(point, point), number >> 1
    return total


def point_of(raw):
    """The point that 32 bytes name."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if len(raw) != 32 or y >= P or (x * x - square) % P:
        raise ValueError("not a public key")
    return x if x % 2 == raw[31] >> 7 else P - x, y


def signed_by(raw, signature, message):
    """Whether the holder of a public key signed a message."""
    (x, y), s = point_of(raw), int.from_bytes(signature[32:], "little")
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + raw + message).digest(), "little") % ORDER
    x, y = add(times(s, BASE), times(hashed, (P - x, y)))
    return len(signature) == 64 and s < ORDER and signature[:32] == (y | x % 2 << 255).to_bytes(32, "little")


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
    own = signed_by(raw, signed, spelled({**manifest, "signature": ""}))
    need(own, "the signature of manifest.json is not the key's")
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
