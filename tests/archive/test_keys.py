"""Keys: the documented layout, padded or not, and nothing else."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.archive.ids import half
from opslib.archive.keys import EXTENSIONS, MALFORMED, MEDIA, SIDECAR, columns, parse

FOLDER = "org/year=2025/month=1/day=31/hour=7/conversation_id=c"
TOKENS = st.text(alphabet="abcdef0123456789-_", min_size=1, max_size=12)
PREFIXES = st.sampled_from(["", "recordings/", "recordings/voice/"])
WIDTHS = st.sampled_from(["d", "02d"])
HOURS = st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31)).map(
    lambda at: at.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
)


@given(PREFIXES, TOKENS, TOKENS, TOKENS, HOURS, WIDTHS, st.sampled_from(sorted(EXTENSIONS)), st.booleans())
def test_a_key_of_the_layout_is_read(
    prefix: str, org: str, conversation: str, recording: str, hour: datetime, width: str, extension: str, sidecar: bool
) -> None:
    """Whatever the ids, the hour, the prefix and leading zeros: each part comes back as it was written."""
    date = f"year={hour.year}/month={hour.month:{width}}/day={hour.day:{width}}/hour={hour.hour:{width}}"
    name = f"{recording}.{extension}{'_metadata.json' if sidecar else ''}"
    key = parse(f"{prefix}{org}/{date}/conversation_id={conversation}/{name}", prefix)
    assert key.kind == (SIDECAR if sidecar else MEDIA)
    assert (key.organization_id, key.conversation_id, key.recording_id) == (org, conversation, recording)
    assert key.extension == extension
    assert key.hour_start_ms == int(hour.timestamp()) * 1000


@pytest.mark.parametrize(
    "key",
    [
        "",
        "readme.txt",
        f"{FOLDER}/",
        f"{FOLDER}/r",
        f"{FOLDER}/.opus",
        f"{FOLDER}/r.opus.tmp",
        f"{FOLDER}/r.tmp",
        f"{FOLDER}/r.opus_call_metadata.json",
        f"{FOLDER}/c-1.transcript.json",
        f"{FOLDER}/_metadata.json",
        f"{FOLDER}/more/r.opus",
        f"/{FOLDER}/r.opus",
        f"elsewhere/{FOLDER}/r.opus",
        f"{FOLDER}/r.opus\n",
        FOLDER.replace("day=31", "day=32") + "/r.opus",
        FOLDER.replace("month=1", "month=2") + "/r.opus",
        FOLDER.replace("month=1", "month=001") + "/r.opus",
        FOLDER.replace("hour=7", "hour=24") + "/r.opus",
        FOLDER.replace("hour=7", "hour=٧") + "/r.opus",
        FOLDER.replace("/hour=7", "") + "/r.opus",
        FOLDER.replace("=c", "=") + "/r.opus",
        FOLDER.replace("conversation_id=c", "conversation_idc") + "/r.opus",
        FOLDER.replace("org/", "") + "/r.opus",
    ],
)
def test_anything_else_is_malformed(key: str) -> None:
    assert parse(key).kind == MALFORMED


def test_a_sidecar_may_leave_out_the_extension() -> None:
    key = parse(f"{FOLDER}/r_metadata.json")
    assert (key.kind, key.recording_id, key.extension) == (SIDECAR, "r", None)


@pytest.mark.parametrize("prefix", ["org", "org/", "org/year=2025", f"{FOLDER}/"])
def test_a_prefix_may_reach_into_the_layout(prefix: str) -> None:
    assert parse(f"{FOLDER}/r.opus", prefix).organization_id == "org"


@pytest.mark.parametrize("prefix", ["or", "org/year=2025/month=10", "voice"])
def test_a_key_outside_the_prefix_is_malformed(prefix: str) -> None:
    """A prefix ends at a slash: `month=1` does not hold October."""
    assert parse(f"{FOLDER}/r.opus", prefix).kind == MALFORMED


@given(
    st.lists(
        st.sampled_from(["a/", "org/", "year=2025/", "month=2/", "day=29/", "hour=0/", "conversation_id=c/"])
        | st.text(max_size=6),
        max_size=9,
    ),
    PREFIXES,
)
def test_any_text_is_a_key(pieces: list[str], prefix: str) -> None:
    """Nothing in a bucket stops the reading, and what is malformed says nothing."""
    row = columns(pa.array(["".join(pieces).encode(errors="ignore").decode()]), prefix).to_pylist()[0]
    assert (row["kind"] == MALFORMED) == all(value is None for name, value in row.items() if name != "kind")


def test_columns_are_in_the_order_of_the_keys() -> None:
    table = columns(pa.chunked_array([[f"{FOLDER}/r.opus", "x"], [f"{FOLDER}/r.opus_metadata.json"]]))
    assert table["kind"].to_pylist() == [MEDIA, MALFORMED, SIDECAR]
    assert list(zip(table["rec_hi"].to_pylist(), table["rec_lo"].to_pylist(), strict=True)) == [
        half("r"),
        (None, None),
        half("r"),
    ]
