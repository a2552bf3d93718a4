import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.genesys.recorder import Operation, Recorder, current_operation, current_step, operation, within_step
from opslib.ledger.samples import COLUMNS, Sample, frame, outcome_of
from opslib.ledger.statistics import percentile, success_rate_percent


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([50, 95, 99]))
def test_percentile_is_numpys_default(values: list[float], percent: int) -> None:
    """The stated method, type 7, is what NumPy and pandas compute."""
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)


def test_p95_of_twenty_is_not_the_maximum() -> None:
    """The tutorial's p95 was the maximum for up to 20 samples."""
    assert percentile(list(range(1, 21)), 95) == pytest.approx(19.05)
    assert percentile([], 95) is None


@pytest.mark.parametrize(("good", "bad", "rate"), [(0, 0, None), (1, 0, 100.0), (19, 1, 95.0), (0, 3, 0.0)])
def test_success_rate(good: int, bad: int, rate: float | None) -> None:
    """Zero operations have no success rate."""
    assert success_rate_percent(good, bad) == rate


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "success"),
        (201, "success"),
        (204, "success"),
        (302, "redirect"),
        (304, "redirect"),
        (404, "not_found"),
        (403, "client_error"),
        (429, "rate_limited"),
        (503, "server_error"),
    ],
)
def test_outcome_of_status(status: int, outcome: str) -> None:
    """Each status has one outcome."""
    assert outcome_of(status) == outcome


def _sample(**values: object) -> Sample:
    return Sample.model_validate(
        {
            "operation": "upsert_storage_target",
            "step": "",
            "method": "PUT",
            "endpoint": "/x/{id}",
            "attempt": 1,
            "status": 200,
            "outcome": "success",
            "latency_s": 0.25,
            "started_at": "2026-11-23T08:00:00.000Z",
            "correlation_id": None,
            **values,
        }
    )


def test_frame_has_the_columns_with_and_without_rows() -> None:
    """The DataFrame's shape does not depend on its content; a lost answer has no status."""
    empty = frame([])
    full = frame([{"run_id": "r", **_sample(status=None, outcome="timeout").model_dump()}])
    assert tuple(empty.columns) == tuple(full.columns) == COLUMNS
    assert (empty.dtypes == full.dtypes).drop(["run_id", "operation"]).sum() >= 4
    assert full["status"].isna().all()
    assert str(full["started_at"].dtype).endswith("UTC]")


def test_recorder_leaves_token_calls_out_of_latencies_and_keeps_them_as_samples() -> None:
    """`latency_samples` speaks of the API; the ledger has everything."""
    kept: list[str] = []
    recorder = Recorder(lambda kind, data: kept.append(data["operation"]))
    recorder.sample(_sample())
    recorder.sample(_sample(operation="get_access_token"))
    recorder.operation(Operation("a", 0.0), None)
    recorder.operation(Operation("b", 0.0), ValueError())
    assert recorder.latency_samples == [0.25]
    assert (recorder.success_count, recorder.failure_count) == (1, 1)
    assert kept == ["upsert_storage_target", "get_access_token", "a", "b"]


async def test_names_follow_the_task() -> None:
    """Two tasks at once do not mix up their operation and step names."""

    async def one(name: str) -> tuple[str, str]:
        with within_step(f"step {name}"), operation(name, 1.0):
            await asyncio.sleep(0)
            found = current_operation()
            assert found
            return found.name, current_step()

    assert await asyncio.gather(one("a"), one("b")) == [("a", "step a"), ("b", "step b")]
    assert current_operation() is None
