"""An id as two 64-bit integers, `hi` and `lo`: half the memory of text, and every engine joins integers.

A UUID is taken by its value, so its case and its dashes make no difference. Any other id is hashed (BLAKE2b, 128 bits).
The two cannot meet: the variant bits of a UUID (RFC 9562, section 4.1) are `10`, those of a hash are set to `11`. A
UUID of another variant is hashed, by its digits.
"""

import re
import uuid
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DASHES = (8, 13, 18, 23)
_DIGITS = [at for at in range(36) if at not in _DASHES]
# Rows at a time: the digits of so many ids fit into a processor's cache.
_ROWS = 1 << 15
_NO_DIGIT = 0xFF
_NIBBLES = np.full(256, _NO_DIGIT, np.uint8)
for _char in "0123456789abcdefABCDEF":
    _NIBBLES[ord(_char)] = int(_char, 16)


def halves(ids: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """The ids as two columns of 64-bit integers, null where the id is null."""
    texts = _one_array(ids)
    hi, lo = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    for start in range(0, len(texts), _ROWS):
        _fill(texts.slice(start, _ROWS), hi[start : start + _ROWS], lo[start : start + _ROWS])
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    return pa.array(hi, mask=missing), pa.array(lo, mask=missing)


def half(text: str) -> tuple[int, int]:
    """One id.

    >>> half("0f8fad5b-d9cb-469f-a165-70867728950e") == half("0F8FAD5BD9CB469FA16570867728950E")
    True
    """
    if _HEX.fullmatch(text):
        text = text.replace("-", "").lower()
        value = int(text, 16).to_bytes(16, "big")
        if value[8] >> 6 == 0b10:
            return _signed(value)
    value = blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
    return _signed(value[:8] + bytes([value[8] | 0b1100_0000]) + value[9:])


def canonical(text: str) -> str:
    """One id as Genesys spells it: a UUID in lower case with dashes, any other as it is."""
    return str(uuid.UUID(text)) if _HEX.fullmatch(text) else text


def _signed(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:8], "big", signed=True), int.from_bytes(value[8:], "big", signed=True)


def _fill(texts: pa.Array, hi: NDArray[np.int64], lo: NDArray[np.int64]) -> None:
    """UUIDs with dashes at once, all others one by one."""
    dashed = np.flatnonzero(pc.fill_null(pc.equal(pc.binary_length(texts), 36), False).to_numpy(zero_copy_only=False))
    done = np.zeros(len(texts), bool)
    if len(dashed):
        characters = _characters(texts.take(pa.array(dashed)), 36)
        good, high, low = _values(characters)
        hi[dashed[good]], lo[dashed[good]] = high[good], low[good]
        done[dashed[good]] = True
    for at in np.flatnonzero(~done):
        if (text := texts[int(at)].as_py()) is not None:
            hi[at], lo[at] = half(text)


def _values(characters: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Which rows are UUIDs of the standard variant, and the halves of all."""
    nibbles = _NIBBLES[characters[:, _DIGITS]]
    good = (characters[:, _DASHES] == ord("-")).all(axis=1) & (nibbles != _NO_DIGIT).all(axis=1)
    good &= nibbles[:, 16] >> 2 == 0b10
    octets = np.ascontiguousarray(nibbles[:, 0::2] << 4 | nibbles[:, 1::2])
    words = octets.view(">i8").astype(np.int64)
    return good, words[:, 0], words[:, 1]


def _characters(texts: pa.Array, width: int) -> NDArray[np.uint8]:
    """The bytes of texts that all have this width, a row for each."""
    _, _, data = texts.cast(pa.large_string()).buffers()
    return np.frombuffer(data, np.uint8, count=len(texts) * width).reshape(-1, width)


def _one_array(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """As large strings: more than 2 GB of ids have no offsets of 32 bits."""
    texts = ids.cast(pa.large_string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
