"""The files in the folder of an audit: what each is, and who needs it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from opslib.audit import manifest


class About(NamedTuple):
    """What a file is, and who needs it."""

    what: str
    who: str


HOW_TO_VERIFY, EVIDENCE_INDEX = "how_to_verify.html", "evidence_index.html"
# The manifest comes last: until it is there, what is beside it counts for nothing.
ABOUT: Mapping[str, About] = {
    "audit.html": About("the report, for a browser", "every reader"),
    "audit.pdf": About("the same report, for print and signatures", "who signs or files it"),
    HOW_TO_VERIFY: About("how to verify this folder, for readers who are not programmers", "the reviewer"),
    EVIDENCE_INDEX: About("each file with its hash, each control with its entries and files", "the reviewer"),
    "findings.csv": About("each check of the bucket", "who follows up the findings"),
    "findings.ocsf.jsonl": About("the same findings, for security tools", "the security team"),
    "operations.csv": About(
        "each operation: what was asked of Genesys, and how it ended", "who recomputes the figures"
    ),
    "samples.csv": About("each HTTP attempt, with its time and answer", "who recomputes the figures"),
    "report.json": About("all facts of the report", "programs"),
    "verify_audit.py": About("a script that verifies this folder, without opslib", "the reviewer"),
    "recompute.py": About("a script that recomputes the figures, without opslib", "the reviewer"),
    manifest.NAME: About("the name and hash of each file, and the ledger's head; signed", "the scripts"),
}
FILES = tuple(ABOUT)
SCRIPTS = ("verify_audit.py", "recompute.py")


@cache
def script(name: str) -> bytes:
    """One of SCRIPTS, as it stands in docs/; in an installed package it stands beside this file."""
    packaged = Path(__file__).with_name(name)
    return (packaged if packaged.exists() else Path(__file__).parents[2] / "docs" / name).read_bytes()
