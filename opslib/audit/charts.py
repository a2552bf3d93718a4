"""Charts of the recorded samples and of the bucket's retention, which say in words what they show."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opslib.audit.call_statistics import INTERVAL_FROM, PERCENTILE_FROM, telling_percents
from opslib.audit.distribution import distribution
from opslib.audit.drawing import BLUE, GREY, INK, ORANGE, Chart, legend, svg
from opslib.audit.time_axis import drawn_s, time_axis
from opslib.ledger.samples import MAY_BE_GONE
from opslib.ledger.statistics import percentile, wilson_interval
from opslib.visible import visible

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_MOST_EVENTS = 8


def latency_chart(samples: "pd.DataFrame") -> Chart:
    """The distribution of attempts' wire times: the share that was at least as fast, and a histogram.

    `samples` is what `opslib.samples_frame()` returns. Percentiles are type 7, see opslib.ledger.statistics.
    """
    latencies_ms = [float(seconds) * 1000 for seconds in samples["latency_s"]]
    marks = {percent: percentile(latencies_ms, percent) or 0.0 for percent in telling_percents(len(latencies_ms))}
    return draw_latencies(Counter(latencies_ms), marks)


def draw_latencies(attempts: Mapping[float, int], marks: Mapping[int, float]) -> Chart:
    """The same chart, of how many attempts took how many ms, with percentiles (ms) that are known already. Without
    them, there are few attempts, and each is a dot."""
    title = "Latency of HTTP attempts"
    if not attempts:
        return _empty(title)
    total = sum(attempts.values())
    labels = {percent: f"p{percent} {value:.1f} ms" for percent, value in marks.items()}
    alt = f"{total:,} attempts: {', '.join(labels.values())}" if labels else f"{total} attempts, {_span([*attempts])}"
    counts = {value / 1000: count for value, count in attempts.items()}
    lines = {label: marks[percent] / 1000 for percent, label in labels.items()}
    return Chart(title, alt, distribution(counts, lines, what="attempt", axis="latency", salt=alt))


def _span(values: Sequence[float]) -> str:
    """From the fastest to the slowest, in words."""
    low, high = (f"{value:.1f} ms" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def success_chart(samples: "pd.DataFrame") -> Chart:
    """The success rate of attempts, by operation, with its 95 % interval (Wilson 1927) where there are enough.

    The answer that there is no such object does not count.
    """
    counted = samples[~_not_there(samples)]
    by_operation = counted.groupby("operation")["outcome"]
    return draw_success([(str(name), int((ends == "success").sum()), len(ends)) for name, ends in by_operation])


def draw_success(rows: Sequence[tuple[str, int, int]]) -> Chart:
    """The same chart, of operation, attempts that succeeded, attempts."""
    title = "Success rate of HTTP attempts (answers “no such object” left out)"
    if not rows:
        return _empty(title)
    alt = "; ".join(f"{name}: {good} of {total} succeeded" for name, good, total in rows)

    def draw(axes: "Axes") -> None:
        shown: dict[str, Artist] = {}
        for row, (_, good, total) in enumerate(rows):
            if total >= INTERVAL_FROM:
                low, high = (100 * end for end in wilson_interval(good, total))
                (shown["95 % interval"],) = axes.plot([low, high], [row, row], color=GREY, linewidth=2)
            words, marker, colour = ("all succeeded", "o", BLUE) if good == total else ("not all", "X", ORANGE)
            (shown[words],) = axes.plot(100 * good / total, row, marker, markersize=8, color=colour, clip_on=False)
        _rows(axes, [name for name, _, _ in rows], [f"{good} of {total}" for _, good, total in rows])
        axes.spines["left"].set_visible(False)
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6), xlabel="attempts that succeeded (%)")
        axes.xaxis.set_ticks(range(0, 101, 25))
        legend(shown)

    return Chart(title, alt, svg(draw, heights=(max(len(rows), 2),), salt=alt))


def _not_there(samples: "pd.DataFrame") -> "pd.Series[bool]":
    return (samples["outcome"] == "not_found") & samples["method"].isin(MAY_BE_GONE)


def timeline_chart(samples: "pd.DataFrame") -> Chart:
    """When each attempt was made (s after the first) and how long it took; rate limits, failures and retries are marked
    by shape and ring, and said in words."""
    title = "Attempts over time"
    if samples.empty:
        return _empty(title)
    in_order = samples.sort_values("started_at")
    seconds = (in_order["started_at"] - in_order["started_at"].iloc[0]).dt.total_seconds()
    latencies_s = in_order["latency_s"].map(drawn_s)
    limited = in_order["outcome"] == "rate_limited"
    answered = (in_order["outcome"] == "success") | _not_there(in_order)
    retried = in_order["attempt"] > 1
    kinds = [
        (answered, "answered", "o", BLUE),
        (limited, "rate limited (429)", "D", ORANGE),
        (~answered & ~limited, "failed otherwise", "X", GREY),
    ]
    alt = (
        f"{len(in_order)} attempts within {seconds.max():.1f} s: "
        + ", ".join(f"{chosen.sum()} {words}" for chosen, words, _, _ in kinds)
        + f"; {int(retried.sum())} of them second or later tries. The slowest took {1000 * latencies_s.max():.1f} ms"
    )

    def draw(axes: "Axes") -> None:
        shown: dict[str, Artist] = {}
        for chosen, words, marker, colour in kinds:
            if chosen.any():
                shown[words] = axes.scatter(seconds[chosen], latencies_s[chosen], s=30, marker=marker, color=colour)
        if retried.any():
            ringed = seconds[retried], latencies_s[retried]
            shown["second or later try"] = axes.scatter(*ringed, s=130, facecolors="none", edgecolors=INK)
        axes.set(xlabel="seconds after the first attempt", title="latency")
        axes.margins(x=0.04)
        time_axis(axes, latencies_s.min() / 1.5, latencies_s.max() * 1.5, vertical=True)
        legend(shown)

    return Chart(title, alt, svg(draw, salt=alt))


def steps_chart(samples: "pd.DataFrame") -> Chart:
    """The steps below each other, in the order in which they ran: from the fastest to the slowest attempt, with p50 and
    p95; where there are too few attempts for these, each is a line."""
    title = "Latency of HTTP attempts, by step"
    if samples.empty:
        return _empty(title)
    in_order = samples.sort_values("started_at")
    steps = [
        (str(step) or "outside a step", [float(seconds) * 1000 for seconds in group])
        for step, group in in_order.groupby("step", sort=False)["latency_s"]
    ]
    alt = "; ".join(
        f"{name}: {len(values)} attempt{'s' * (len(values) > 1)}, {_told(values)}" for name, values in steps
    )

    def draw(axes: "Axes") -> None:
        shown: dict[str, Artist] = {}
        for row, (_, values) in enumerate(steps):
            ends = [drawn_s(end / 1000) for end in (min(values), max(values))]
            (shown["fastest to slowest"],) = axes.plot(ends, [row, row], color=GREY, linewidth=2)
        few = [(value, row) for row, (_, values) in enumerate(steps) for value in values if not _enough(values)]
        if few:
            shown["an attempt"] = _marks(axes, few, s=160, marker="|", color=BLUE, zorder=3)
        many = [(row, values) for row, (_, values) in enumerate(steps) if _enough(values)]
        for percent, colour, marker in ((50, BLUE, "o"), (95, ORANGE, "D")) if many else ():
            marks = [(percentile(values, percent) or 0.0, row) for row, values in many]
            shown[f"p{percent}"] = _marks(axes, marks, s=50, color=colour, marker=marker, zorder=4)
        named = [f"{_short(visible(name)).replace('_', ' ')} ({len(values)})" for name, values in steps]
        axes.set_yticks(range(len(steps)), named)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set(xlabel="latency", ylim=(len(steps) - 0.4, -0.6))
        every = [value / 1000 for _, values in steps for value in values]
        time_axis(axes, min(every), max(every))
        legend(shown)

    return Chart(title, alt, svg(draw, heights=(max(len(steps), 2),), salt=alt))


def _marks(axes: "Axes", points: Sequence[tuple[float, int]], **style: Any) -> "Artist":
    return axes.scatter([drawn_s(ms / 1000) for ms, _ in points], [row for _, row in points], **style)


def _enough(values: Sequence[float]) -> bool:
    return len(values) >= PERCENTILE_FROM[95]


def _told(values: Sequence[float]) -> str:
    """p50 and p95 in words, or from the fastest to the slowest."""
    if not _enough(values):
        return _span(values)
    return ", ".join(f"p{percent} {percentile(values, percent):.1f} ms" for percent in (50, 95))


def retention_chart(clocks: Mapping[str, Any]) -> Chart:
    """The four clocks of a recording, in days after it was made; see `opslib.validator.lifecycle.Clocks`.

    `clocks` is that, as JSON; `org_days` in it is the org's maximum, where that is known. Drawn once for each.
    """
    return _retention_chart(json.dumps(clocks, sort_keys=True))


@dataclass(frozen=True)
class _Event:
    """What a lifecycle rule does, on a row of its own."""

    day: int
    words: str
    early: bool


@lru_cache(maxsize=8)
def _retention_chart(text: str) -> Chart:
    clocks = json.loads(text)
    lock = clocks["lock"] or {"mode": "", "days": 0}
    held = f"{lock['mode']} " if lock["days"] else ""
    policy_days, org_days = clocks["policy_days"], clocks.get("org_days")
    cut = bool(policy_days and org_days and org_days < policy_days)
    bars = {
        "policy keeps": (org_days, "cut by the org to ") if cut else (policy_days, ""),
        "target keeps": (clocks["target_days"], ""),
        "Object Lock holds": (lock["days"], held),
    }
    events, removed = _events(clocks), clocks["removed"]
    wanted = clocks["target_days"] or clocks["policy_days"] or 0
    alt = [f"{name} {more}{days} days" if days else f"{name}: nothing" for name, (days, more) in bars.items()]
    alt += [f"{event.words} on day {event.day}{', too early' * event.early}" for event in events]
    alt += [] if events else ["no lifecycle rule touches recordings"]
    alt.append(f"the bytes are gone on day {removed}" if removed is not None else "the bytes are never removed")
    if hold_days := lock.get("hold_days"):
        alt.append(f"an event hold protects each recording until it is released, and {hold_days} days after that")
    longest = max([*(days or 0 for days, _ in bars.values()), *(event.day for event in events), removed or 0, 1])
    names = [*bars, *(event.words for event in events), "the bytes are there"]
    words = [
        *(f"{more}{days} days" if days else "nothing" for days, more in bars.values()),
        *(f"day {event.day}{', too early' * event.early}" for event in events),
        "never removed" if removed is None else f"gone on day {removed}",
    ]

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        shown: dict[str, Artist] = {}
        lengths = [*(days or 0 for days, _ in bars.values()), longest * 1.05 if removed is None else removed]
        places = [*range(len(bars)), len(names) - 1]
        axes.barh(
            places, lengths, color=[GREY if names[row].startswith("Object") else BLUE for row in places], height=0.5
        )
        for row, event in enumerate(events, len(bars)):
            what, mark, colour = ("a rule acts too early", "X", ORANGE) if event.early else ("a rule acts", "o", GREY)
            (shown[what],) = axes.plot(event.day, row, mark, markersize=8, color=colour, clip_on=False, zorder=3)
        if wanted:
            shown["recordings must stay until here"] = axes.axvline(wanted, color=ORANGE, linestyle="--")
        axes.set(xlim=(0, longest * 1.05), ylim=(len(names) - 0.4, -0.6), xlabel="days after the recording was made")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _rows(axes, names, words)
        if shown:
            legend(shown)

    return Chart("How long a recording stays", "; ".join(alt), svg(draw, heights=(len(names),), salt="; ".join(alt)))


def _rows(axes: "Axes", names: Sequence[str], words: Sequence[str]) -> None:
    """What each row is, on its left, and what it says, on its right: so that no word covers a mark."""
    beside = axes.secondary_yaxis("right")
    for each, texts in ((axes, names), (beside, words)):
        each.set_yticks(range(len(names)), [_short(visible(text), 32) for text in texts])
        each.tick_params(axis="y", length=0, pad=12)
    beside.spines["right"].set_visible(False)


def _events(clocks: Mapping[str, Any]) -> list[_Event]:
    """The losses, earliest first; a bucket may have 1,000 rules, of which the first few tell the story."""
    events = [
        _Event(loss["day"], f"rule {_short(loss['rule'])}: {loss['kind']}", loss in clocks.get("early", []))
        for loss in clocks["losses"]
    ]
    return sorted(events, key=lambda event: (not event.early, event.day))[:_MOST_EVENTS]


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _empty(title: str) -> Chart:
    return Chart(title, "No attempts are recorded, so there is no data to show")
