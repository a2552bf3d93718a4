"""The calls to Genesys, as a section of the report: operations and attempts, how they add up, how long they took."""

from collections.abc import Sequence

from opslib.audit.call_statistics import INTERVAL_FROM, PERCENTILE_FROM, CallStatistics
from opslib.audit.charts import draw_latencies
from opslib.audit.document import Block, Cell, Prose, Table
from opslib.ledger.statistics import success_rate_percent, wilson_interval

_METHODS = (
    "Percentiles are of the attempts' wire time, by linear interpolation (type 7). They are given from"
    f" {PERCENTILE_FROM[50]} attempts on, p99 from {PERCENTILE_FROM[99]}. The interval is Wilson's, given from"
    f" {INTERVAL_FROM} operations on."
)


def blocks(statistics: CallStatistics) -> Sequence[Block]:
    """Success rate with its interval, and latency percentiles, with methods stated."""
    table = Table("Calls to Genesys", ("What", "Value"), list(_rows(statistics).items()), (1, 2))
    percentiles = statistics.telling_percentiles_ms()
    return [
        Prose(how_they_add_up(statistics)),
        Prose(_METHODS),
        table,
        draw_latencies(statistics.latencies_ms(), percentiles),
        *_by_operation(statistics),
    ]


def _by_operation(statistics: CallStatistics) -> list[Block]:
    """A rate of few attempts says little, so these are counts."""
    rows: list[list[Cell]] = [
        [name, attempts, good, attempts - good] for name, good, attempts in statistics.by_operation()
    ]
    head = ("Operation", "HTTP attempts", "Succeeded", "Failed")
    return [Table("HTTP attempts by operation", head, rows, (4, 2, 2, 2))] if rows else []


def how_they_add_up(statistics: CallStatistics) -> str:
    """Why operations, attempts, the charts and samples.csv have different numbers."""
    total, ended = sum(statistics.operations()), statistics.attempts_of_operations()
    attempts, samples, not_there = statistics.attempts(), statistics.samples(), statistics.attempts_not_there()
    said = [f"{_count(total, 'operation')} took {_count(ended, 'HTTP attempt')}{_why(total, ended)}."]
    if attempts != ended:
        said.append(
            f"Operations whose end is not recorded, as after a crash, took {attempts - ended} more: {attempts} in all."
        )
    if not_there:
        said.append(
            f"The chart shows all {attempts}, the table by operation {attempts - not_there}: {not_there} got the answer"
            " that there is no such object, which is neither a success nor a failure."
        )
    elif attempts:
        said.append(f"The chart and the table by operation show all {attempts}.")
    said.append(
        f"samples.csv has {_count(samples, 'row')}: these, and {samples - attempts} for tokens and to the data lake,"
        " which no figure here counts. operations.csv has a row for each operation."
    )
    return " ".join(said)


def _why(operations: int, attempts: int) -> str:
    if attempts > operations:
        return ", since one may need several requests, and a request is repeated after a rate limit or an outage"
    return ", since one that fails before anything is sent takes none" if attempts < operations else ""


def _rows(statistics: CallStatistics) -> dict[str, Cell]:
    good, bad = statistics.operations()
    rate, extremes = success_rate_percent(good, bad), statistics.extremes_ms()
    fastest, slowest = (f"{ms:.1f} ms" for ms in extremes) if extremes else ("no data", "no data")
    return {
        "Operations": good + bad,
        "Succeeded": good,
        "Failed": bad,
        "Success rate": "no data" if rate is None else f"{rate:.1f} %",
        "95 % interval of the rate": _interval(good, good + bad),
        "HTTP attempts": statistics.attempts(),
        "Fastest attempt": fastest,
        "Slowest attempt": slowest,
        **{f"Latency p{percent}": latency(statistics, percent) for percent in PERCENTILE_FROM},
    }


def _interval(good: int, total: int) -> str:
    if total < INTERVAL_FROM:
        return f"not given: fewer than {INTERVAL_FROM} operations" if total else "no data"
    low, high = wilson_interval(good, total)
    return f"{100 * low:.1f} % to {100 * high:.1f} %"


def latency(statistics: CallStatistics, percent: int) -> str:
    """A percentile in words, or why there is none."""
    ms = statistics.telling_percentiles_ms().get(percent)
    if ms is None:
        few = f"not given: fewer than {PERCENTILE_FROM[percent]} attempts"
        return few if statistics.attempts() else "no data"
    return f"{ms:.1f} ms"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
