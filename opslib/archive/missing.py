"""The list of what a verification found missing, kept as Parquet in the workspace; the ledger has its hash."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from opslib.errors import InvalidInput

FILE: Final = "missing.parquet"
COLUMNS: Final = ("conversation_id", "recording_id", "ended_at_ms", "delete_at_ms")
_FIX: Final = "run `opslib archive verify` again; nothing was asked"


@dataclass(frozen=True)
class Missing:
    """One row of the list, with its ids as the expected file spells them. Without `recording_id`, the conversation.

    Times are milliseconds; `delete_at_ms` is by the expected file.
    """

    conversation_id: str
    recording_id: str | None
    ended_at_ms: int
    delete_at_ms: int | None


def read_missing(path: Path, sha256: str) -> list[Missing]:
    """The list that has this hash, what is deleted first at its beginning. Raises InvalidInput for any other."""
    if not path.is_file() or file_sha256(path) != sha256:
        raise InvalidInput(
            "The list of what is missing cannot be used",
            cause=f"{path.name} in the workspace is not the list that the ledger's newest verification names",
            fix=_FIX,
        )
    try:
        rows = pq.read_table(path, columns=list(COLUMNS), partitioning=None).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput("The list of what is missing cannot be used", cause=str(error), fix=_FIX) from None
    return sorted((Missing(**row) for row in rows), key=_deleted_first)


def file_sha256(file: Path) -> str:
    """Raises OSError."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _deleted_first(one: Missing) -> tuple[bool, int, int, str, str]:
    known = one.delete_at_ms is None
    return known, one.delete_at_ms or 0, one.ended_at_ms, one.conversation_id, one.recording_id or ""
