"""What was found in the bucket: a folder of Parquet parts, and `parts.json`, which says what is finished.

A part is written whole or not at all, and replaces one of the same name. A reader that was stopped asks again only for
the parts that are missing, and nothing counts twice. An object that is in two parts counts once as well: `object` tells
objects apart.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opslib.archive import keys
from opslib.new_files import replaced_file

SCHEMA: Final = pa.schema(
    [
        *keys.COLUMNS,
        pa.field("object", pa.int64(), nullable=False),
        pa.field("last_modified_ms", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("encryption", pa.string()),
        pa.field("storage_class", pa.string()),
        pa.field("key", pa.large_string(), nullable=False),
    ]
)
"""One row for each object. `object` is a hash of its key; `encryption` and `storage_class` are null where the source
does not tell; times are milliseconds since 1970 in UTC."""

_STATE: Final = "parts.json"
_VERSION: Final = 2


@dataclass(frozen=True)
class Gap:
    """A part of the bucket that could not be read: which one, why, and what would help."""

    where: str
    cause: str
    fix: str = ""


def rows(
    found: Sequence[str] | pa.Array,
    last_modified_ms: Sequence[int] | pa.Array,
    size: Sequence[int] | pa.Array,
    *,
    prefix: str = "",
    encryption: Sequence[str | None] | pa.Array | None = None,
    storage_class: Sequence[str | None] | pa.Array | None = None,
) -> pa.Table:
    """Objects as SCHEMA. `prefix` is the one that was asked for, and belongs to the layout or stands before it."""
    texts = _column(found, "key")
    nothing = pa.nulls(len(texts), pa.string())
    columns = [
        pa.array(map(_object, texts.to_pylist()), pa.int64()),
        _column(last_modified_ms, "last_modified_ms"),
        _column(size, "size"),
        nothing if encryption is None else _column(encryption, "encryption"),
        nothing if storage_class is None else _column(storage_class, "storage_class"),
        texts,
    ]
    return pa.Table.from_arrays([*keys.columns(texts, prefix).columns, *columns], schema=SCHEMA)


class ArrivedParts:
    """The parts of one bucket and prefix in a folder, which is made if it is not there.

    `source` says what was read (`s3://bucket/prefix`, or a manifest and its time). Parts of another source in the same
    folder are not used: the folder is emptied first. What is being written is in the folder `unfinished`.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.folder, self.source = folder, source
        self.unfinished = folder / "unfinished"
        self.unfinished.mkdir(parents=True, exist_ok=True)
        self._state = _read_state(folder / _STATE)
        if self._state.source != source:
            self.start_again()

    def add(self, name: str, table: pa.Table) -> None:
        """Keeps a part, in the place of one of the same name. It counts as finished when this returns."""
        with replaced_file(self._path(name), self.unfinished) as file:
            pq.write_table(table.cast(SCHEMA), file, compression="zstd", compression_level=1)

    def __contains__(self, name: object) -> bool:
        """Whether the part is finished."""
        return isinstance(name, str) and self._path(name).is_file()

    def last_key(self, name: str) -> str:
        """The last key of a finished part that holds some, in S3's order."""
        keys = pq.read_table(self._path(name), columns=["key"], partitioning=None)["key"]
        return str(pc.max(keys).as_py())

    def finish(self, gaps: Iterable[Gap] = ()) -> None:
        """Says that everything was asked for, and what could not be read. Until then, the source is incomplete."""
        self._write(replace(self._state, finished=True, gaps=tuple(gaps)))

    def start_again(self) -> None:
        """Forgets all parts. A complete listing does not learn what arrives later, so a later run begins with this."""
        for path in self.paths:
            path.unlink()
        self._write(_State(self.source, begun_s=time.time()))

    @property
    def begun_at(self) -> datetime:
        """When the reading began (UTC), also one that was stopped since: some parts know of nothing that came later."""
        return datetime.fromtimestamp(self._state.begun_s, UTC)

    @property
    def complete(self) -> bool:
        """Everything was read."""
        return self._state.finished and not self._state.gaps

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read. Empty for a source that is complete, and for one that was stopped."""
        return self._state.gaps

    @property
    def paths(self) -> list[Path]:
        """The files of all finished parts."""
        return sorted(self.folder.glob("part-*.parquet"))

    def tables(self) -> list[str]:
        """The files for an engine to read; without a part, one that holds no rows."""
        if not (paths := self.paths):
            self.add("", SCHEMA.empty_table())
            paths = self.paths
        return [str(path) for path in paths]

    def _path(self, name: str) -> Path:
        """A prefix may be longer than a file's name may be, and `a` and `A` may be one file."""
        return self.folder / f"part-{blake2b(name.encode(errors='surrogatepass'), digest_size=16).hexdigest()}.parquet"

    def _write(self, state: "_State") -> None:
        with replaced_file(self.folder / _STATE) as file:
            file.write(json.dumps({"version": _VERSION, **asdict(state)}, indent=2).encode())
        self._state = state


@dataclass(frozen=True)
class _State:
    source: str | None
    begun_s: float = 0
    finished: bool = False
    gaps: tuple[Gap, ...] = ()


def _read_state(path: Path) -> _State:
    """What is not there or of another version counts as nothing: the source is read again."""
    if not path.is_file():
        return _State(None)
    state = json.loads(path.read_bytes())
    if state["version"] != _VERSION:
        return _State(None)
    return _State(state["source"], state["begun_s"], state["finished"], tuple(Gap(**gap) for gap in state["gaps"]))


def _object(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "big", signed=True)


def _column(values: Sequence[Any] | pa.Array, name: str) -> pa.Array:
    kind = SCHEMA.field(name).type
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)
