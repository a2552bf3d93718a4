"""Ids as two integers: a UUID by its value, anything else by a hash that no UUID can equal."""

from uuid import UUID

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from opslib.archive.ids import half, halves

UUIDS = st.uuids(version=4)


@given(UUIDS)
def test_the_spelling_of_a_uuid_makes_no_difference(uuid: UUID) -> None:
    spellings = {str(uuid), str(uuid).upper(), uuid.hex, uuid.hex.upper()}
    assert len({half(text) for text in spellings}) == 1


@given(UUIDS)
def test_a_uuid_is_taken_by_its_value(uuid: UUID) -> None:
    hi, lo = half(str(uuid))
    assert (hi % 2**64) << 64 | lo % 2**64 == uuid.int


@given(st.text())
def test_a_hash_cannot_equal_a_uuid(text: str) -> None:
    """The variant bits of a hash are those of no UUID that is taken by its value."""
    try:
        UUID(text)
    except ValueError:
        assert half(text)[1] % 2**64 >> 62 == 0b11


def test_a_uuid_of_another_variant_is_found_in_every_spelling() -> None:
    """The nil UUID, and ids of tools that set no variant."""
    assert half("00000000-0000-0000-0000-00000000000A") == half("0000000000000000000000000000000a")


@given(st.lists(st.none() | st.text(max_size=40) | UUIDS.map(str) | UUIDS.map(lambda uuid: uuid.hex), max_size=30))
def test_a_column_is_read_as_each_id_is(ids: list[str | None]) -> None:
    hi, lo = halves(pa.array([None, *ids], pa.string()).slice(1))
    assert list(zip(hi.to_pylist(), lo.to_pylist(), strict=True)) == [
        half(text) if text is not None else (None, None) for text in ids
    ]


def test_ids_that_differ_by_a_character_differ() -> None:
    assert len({half("conversation-1"), half("conversation-2"), half("Conversation-1")}) == 3


def test_more_rows_than_are_read_at_once() -> None:
    ids = [str(UUID(int=number << 64 | 0b10 << 62, version=4)) for number in range(70_000)]
    hi, lo = halves(pa.chunked_array([ids[:10], ids[10:]]))
    assert (hi[69_999].as_py(), lo[69_999].as_py()) == half(ids[69_999])
