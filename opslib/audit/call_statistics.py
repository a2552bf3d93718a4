"""Statistics of one run's calls to Genesys, each a query over the ledger, so that no list of attempts is in memory.

Only calls of the org's API count: neither fetching a token nor looking into the data lake does.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opslib.ledger.database import select
from opslib.ledger.samples import MAY_BE_GONE, NOT_OF_THE_API

# From how many values on a percentile is given. A p95 says that one value in 20 is slower, a p99 one in 100: with fewer
# there is no such value, and the percentile would be the slowest under another name.
PERCENTILE_FROM = {50: 20, 95: 20, 99: 100}
# From how many operations or attempts on the interval of their rate is given. With fewer, one more failure moves the
# rate by more than 5 points, which is all that lies between 100 % and the 95 % that it is judged by: the interval would
# only repeat that there are few.
INTERVAL_FROM = 20

# In SQL: an attempt whose answer is that there is no such object.
NOT_THERE = f"(json_extract(body, '$.outcome') = 'not_found' AND json_extract(body, '$.method') IN {MAY_BE_GONE})"

_ATTEMPTS = (
    "FROM entries WHERE kind = 'sample' AND run_id = ? AND seq <= ?"
    f" AND json_extract(body, '$.operation') NOT IN {NOT_OF_THE_API}"
)


def telling_percents(count: int) -> list[int]:
    """The percentiles that say something about so many values."""
    return [percent for percent, least in PERCENTILE_FROM.items() if count >= least]


@dataclass(frozen=True)
class CallStatistics:
    """Counts, rates and latencies of a run, up to an entry of the ledger."""

    ledger: Path
    run_id: str
    last_seq: int

    def operations(self) -> tuple[int, int]:
        """How many operations ended well, and how many did not."""
        ((good, total),) = select(
            self.ledger,
            "SELECT coalesce(sum(json_extract(body, '$.outcome') = 'success'), 0), count(*) FROM entries"
            " WHERE kind = 'operation' AND run_id = ? AND seq <= ?",
            (self.run_id, self.last_seq),
        )
        return good, total - good

    def attempts(self) -> int:
        ((count,),) = self._rows("SELECT count(*)")
        return int(count)

    def attempts_of_operations(self) -> int:
        """Those of operations that ended. An operation that a crash broke off has attempts and no end."""
        ((count,),) = select(
            self.ledger,
            "SELECT coalesce(sum(json_extract(body, '$.attempts')), 0) FROM entries"
            " WHERE kind = 'operation' AND run_id = ? AND seq <= ?",
            (self.run_id, self.last_seq),
        )
        return int(count)

    def attempts_not_there(self) -> int:
        """Those answered that there is no such object, which the rate of attempts does not count."""
        ((count,),) = self._rows("SELECT count(*)", f"AND {NOT_THERE}")
        return int(count)

    def samples(self) -> int:
        """The attempts, and those for tokens and to the data lake."""
        ((count,),) = select(
            self.ledger,
            "SELECT count(*) FROM entries WHERE kind = 'sample' AND run_id = ? AND seq <= ?",
            (self.run_id, self.last_seq),
        )
        return int(count)

    def extremes_ms(self) -> tuple[float, float] | None:
        """The fastest and the slowest wire time; None without attempts."""
        ((fastest, slowest),) = self._rows(
            "SELECT min(json_extract(body, '$.latency_s')), max(json_extract(body, '$.latency_s'))"
        )
        return None if fastest is None else (fastest * 1000, slowest * 1000)

    def average_ms(self) -> float | None:
        """The mean wire time; None without attempts."""
        ((seconds,),) = self._rows("SELECT avg(json_extract(body, '$.latency_s'))")
        return None if seconds is None else seconds * 1000

    def percentiles_ms(self) -> Mapping[int, float | None]:
        """p50, p95 and p99 of the wire time, by linear interpolation (type 7, see opslib.ledger.statistics)."""
        count = self.attempts()
        return {percent: self._percentile_ms(percent, count) if count else None for percent in PERCENTILE_FROM}

    def telling_percentiles_ms(self) -> Mapping[int, float]:
        """Those of them that say something about so many attempts."""
        telling = telling_percents(self.attempts())
        return {percent: ms for percent, ms in self.percentiles_ms().items() if percent in telling and ms is not None}

    def latencies_ms(self) -> Mapping[float, int]:
        """How many attempts took how long, as the report prints it: enough for a chart, and bounded."""
        rows = self._rows("SELECT json_extract(body, '$.latency_s')")
        return Counter(float(f"{seconds * 1000:.1f}") for (seconds,) in rows)

    def by_operation(self) -> list[tuple[str, int, int]]:
        """Name, attempts that succeeded, attempts. The answer that there is no such object does not count."""
        return list(
            self._rows(
                "SELECT json_extract(body, '$.operation'), sum(json_extract(body, '$.outcome') = 'success'), count(*)",
                f"AND NOT {NOT_THERE} GROUP BY 1 ORDER BY 1",
            )
        )

    def _percentile_ms(self, percent: int, count: int) -> float:
        below, rest = divmod((count - 1) * percent, 100)
        rows = self._rows("SELECT json_extract(body, '$.latency_s')", "ORDER BY 1 LIMIT 2 OFFSET ?", below)
        low, *high = [seconds * 1000 for (seconds,) in rows]
        return float(low + (high[0] - low) * rest / 100) if high else float(low)

    def _rows(self, columns: str, then: str = "", *more: object) -> Iterator[tuple[Any, ...]]:
        query = f"{columns} {_ATTEMPTS} {then}"
        return select(self.ledger, query, (self.run_id, self.last_seq, *more))
