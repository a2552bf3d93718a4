"""Charts of the recorded samples and of the bucket's retention, as PNG images that say in words what they show.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; no chart relies on colour alone.
"""

import base64
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from opslib.audit.call_statistics import INTERVAL_FROM, PERCENTILE_FROM, telling_percents
from opslib.ledger.samples import MAY_BE_GONE
from opslib.ledger.statistics import percentile, wilson_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
_LINE_STYLES = {50: "-", 95: "--", 99: ":"}
_MOST_EVENTS = 8


@dataclass(frozen=True)
class Chart:
    """An image with a title and its content in words. Notebooks and pages show it as `<figure>`."""

    title: str
    alt: str
    png: bytes

    def html(self) -> str:
        """As `<figure>`, with the image in it."""
        source = base64.b64encode(self.png).decode()
        alt, title = escape(self.alt), escape(self.title)
        return (
            f'<figure style="margin:0"><img src="data:image/png;base64,{source}" alt="{alt}"'
            f' style="max-width:100%;height:auto"/><figcaption>{title}. {alt}</figcaption></figure>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": f"{self.title}. {self.alt}"}


def latency_chart(samples: "pd.DataFrame") -> Chart:
    """The distribution of attempts' wire times (ms): a histogram, and the share that was at least as fast.

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
    if not marks:
        return _few_latencies(title, attempts)
    values, weights = list(attempts), list(attempts.values())
    labels = {percent: f"p{percent} {value:.1f} ms" for percent, value in marks.items()}
    alt = f"{total} attempts: " + ", ".join(labels.values())

    def draw(histogram: "Axes", shares: "Axes") -> None:
        histogram.hist(values, bins=min(30, max(5, math.isqrt(total) * 2)), weights=weights, color=BLUE)
        histogram.set(xlabel="latency (ms)", ylabel="attempts", title="how many")
        shares.ecdf(values, weights, color=BLUE)
        shares.set(xlabel="latency (ms)", ylabel="share of attempts", title="share at least as fast")
        for percent, value in marks.items():
            for axes in (histogram, shares):
                axes.axvline(value, color=ORANGE, linestyle=_LINE_STYLES[percent], label=labels[percent])
        shares.legend(loc="lower right")

    return Chart(title, alt, png(draw, columns=2))


def _few_latencies(title: str, attempts: Mapping[float, int]) -> Chart:
    dots = [(value, height + 1) for value, count in attempts.items() for height in range(count)]
    alt = f"{len(dots)} attempts, {_span(list(attempts))}"

    def draw(axes: "Axes") -> None:
        _dots(axes, dots, s=70, color=BLUE)
        axes.set(xlabel="latency (ms); each dot is an attempt", yticks=[], ylim=(0, max(attempts.values()) + 1))
        axes.set_xlim(left=0)

    return Chart(title, alt, png(draw, columns=1))


def _dots(axes: "Axes", points: Sequence[tuple[float, int]], **style: Any) -> None:
    axes.scatter([x for x, _ in points], [y for _, y in points], **style)


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
        for row, (_, good, total) in enumerate(rows):
            if total >= INTERVAL_FROM:
                low, high = wilson_interval(good, total)
                axes.plot([100 * low, 100 * high], [row, row], color=GREY, linewidth=2)
            axes.plot(
                100 * good / total,
                row,
                marker="o" if good == total else "X",
                markersize=9,
                color=BLUE if good == total else ORANGE,
            )
            axes.annotate(
                f"{good} of {total}", (100 * good / total, row), (0, 9), textcoords="offset points", ha="center"
            )
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axes.set(
            xlim=(-5, 108),
            ylim=(-0.7, len(rows) - 0.3),
            xlabel="attempts that succeeded (%)",
            title=f"● all, ✖ not all; line: 95 % interval, from {INTERVAL_FROM} attempts on",
        )

    return Chart(title, alt, png(draw, columns=1, rows=len(rows)))


def _not_there(samples: "pd.DataFrame") -> "pd.Series[bool]":
    return (samples["outcome"] == "not_found") & samples["method"].isin(MAY_BE_GONE)


def timeline_chart(samples: "pd.DataFrame") -> Chart:
    """When each attempt was made (s after the first) and how long it took (ms); rate limits, failures and retries are
    marked by shape and ring, and said in words."""
    title = "Attempts over time"
    if samples.empty:
        return _empty(title)
    in_order = samples.sort_values("started_at")
    seconds = (in_order["started_at"] - in_order["started_at"].iloc[0]).dt.total_seconds()
    latencies_ms = in_order["latency_s"] * 1000
    limited = in_order["outcome"] == "rate_limited"
    answered = (in_order["outcome"] == "success") | _not_there(in_order)
    retried = in_order["attempt"] > 1
    kinds = [
        (answered, "answered", "o", BLUE),
        (limited, "rate limited (429)", "D", ORANGE),
        (~answered & ~limited, "failed otherwise", "X", GREY),
    ]
    labels = [f"{chosen.sum()} {words}" for chosen, words, _, _ in kinds]
    alt = (
        f"{len(in_order)} attempts within {seconds.max():.1f} s: "
        + ", ".join(labels)
        + f"; {int(retried.sum())} of them second or later tries. The slowest took {latencies_ms.max():.1f} ms"
    )

    def draw(axes: "Axes") -> None:
        for (chosen, _, marker, colour), label in zip(kinds, labels, strict=True):
            if chosen.any():
                axes.scatter(seconds[chosen], latencies_ms[chosen], s=36, marker=marker, color=colour, label=label)
        if retried.any():
            label = f"{int(retried.sum())} second or later try"
            ringed = seconds[retried], latencies_ms[retried]
            axes.scatter(*ringed, s=150, facecolors="none", edgecolors="black", label=label)
        axes.set(xlabel="seconds after the first attempt", ylabel="latency (ms)", ylim=(0, latencies_ms.max() * 1.15))
        axes.figure.legend(loc="outside upper center", ncols=4, frameon=False, columnspacing=1.2, handletextpad=0.2)

    return Chart(title, alt, png(draw, columns=1))


def steps_chart(samples: "pd.DataFrame") -> Chart:
    """The steps beside each other, in the order in which they ran: from the fastest to the slowest attempt (ms), with
    p50 and p95; where there are too few attempts for these, each is a dot."""
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
        for row, (_, values) in enumerate(steps):
            axes.plot([min(values), max(values)], [row, row], color=GREY, linewidth=2)
        few = [(value, row) for row, (_, values) in enumerate(steps) for value in values if not _enough(values)]
        if few:
            _dots(axes, few, s=200, marker="|", color=BLUE, zorder=3, label="an attempt")
        many = [(row, values) for row, (_, values) in enumerate(steps) if _enough(values)]
        for percent, colour, marker in ((50, BLUE, "o"), (95, ORANGE, "D")) if many else ():
            marks = [(percentile(values, percent) or 0.0, row) for row, values in many]
            _dots(axes, marks, s=70, color=colour, marker=marker, zorder=4, label=f"p{percent}")
        axes.set_yticks(range(len(steps)), [f"{name.replace('_', ' ')} ({len(values)})" for name, values in steps])
        axes.set(xlabel="latency (ms); line: fastest to slowest", ylim=(len(steps) - 0.5, -0.5))
        axes.set_xlim(left=0)
        axes.figure.legend(loc="outside upper center", ncols=3, frameon=False)

    return Chart(title, alt, png(draw, columns=1, rows=len(steps)))


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
    end = longest * 1.12

    def draw(axes: "Axes") -> None:
        shown = [*bars, *(event.words for event in events), "the bytes are there"]
        for row, (name, (days, more)) in enumerate(bars.items()):
            axes.barh(row, days or 0, color=GREY if name == "Object Lock holds" else BLUE, height=0.5)
            _label(axes, days or 0, row, f"{more}{days} days" if days else "nothing", longest, on_bar=True)
        for row, event in enumerate(events, len(bars)):
            mark, colour = ("X", ORANGE) if event.early else ("o", GREY)
            axes.plot(event.day, row, marker=mark, markersize=9, color=colour, clip_on=False, zorder=3)
            _label(axes, event.day, row, f"day {event.day}{', too early' * event.early}", longest)
        last = len(shown) - 1
        axes.barh(last, end if removed is None else removed, color=BLUE, alpha=0.35, height=0.5)
        _label(axes, removed or 0, last, "never removed" if removed is None else f"gone on day {removed}", longest)
        if wanted:
            axes.axvline(wanted, color=ORANGE, linestyle="--", zorder=0)
        axes.set_yticks(range(len(shown)), shown)
        axes.set(xlim=(0, end), ylim=(len(shown) - 0.4, -0.6), xlabel="days after the recording was made")
        axes.set_title("dashed line: how long recordings must stay; ✖: removed too early")

    return Chart("How long a recording stays", "; ".join(alt), png(draw, columns=1, rows=len(bars) + len(events) + 1))


def _events(clocks: Mapping[str, Any]) -> list[_Event]:
    """The losses, earliest first; a bucket may have 1,000 rules, of which the first few tell the story."""
    events = [
        _Event(loss["day"], f"rule {_short(loss['rule'])}: {loss['kind']}", loss in clocks.get("early", []))
        for loss in clocks["losses"]
    ]
    return sorted(events, key=lambda event: (not event.early, event.day))[:_MOST_EVENTS]


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _label(axes: "Axes", day: float, row: int, words: str, longest: float, *, on_bar: bool = False) -> None:
    """Beside the end of a bar or a mark: to its right, or to its left where there is no room."""
    left = day > 0.7 * longest
    style: dict[str, Any] = {"color": "white" if left and on_bar else "black", "va": "center", "zorder": 4}
    if not (left and on_bar):
        style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8}
    style["ha"] = "right" if left else "left"
    axes.annotate(words, (day, row), (-9 if left else 9, 0), textcoords="offset points", **style)


def _empty(title: str) -> Chart:
    def draw(axes: "Axes") -> None:
        axes.text(0.5, 0.5, "no data", ha="center", va="center")
        axes.set_axis_off()

    return Chart(title, "No attempts are recorded, so there is no data to show", png(draw, columns=1))


def png(draw: Any, *, columns: int, rows: int = 5) -> bytes:
    """What `draw` draws on so many axes beside each other, as high as so many rows of text need."""
    # Without pyplot: it keeps figures alive and chooses a display.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 1.2 + 0.45 * max(rows, 4)), dpi=110, layout="constrained", facecolor="white")
        axes = figure.subplots(1, columns, squeeze=False)[0]
        draw(*axes)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
