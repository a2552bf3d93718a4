"""What a fleet asked of Genesys: latencies, successes, and how near it came to the rate limit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opslib.audit.charts import latency_chart, success_chart
from opslib.audit.drawing import BLUE, GREY, ORANGE, Chart, legend, svg
from opslib.ledger.samples import NOT_OF_THE_API
from opslib.walk.fleet import Fleet
from opslib.walk.fleet_plan import FleetPlan
from opslib.walk.fleet_result import FleetResult
from opslib.widgets.fleet_results import org_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Genesys's usual limit for one OAuth client; an org may have another one.
_ALLOWED, _WINDOW = 300, "60s"


def fleet_samples(fleet: Fleet, plan: FleetPlan, result: FleetResult) -> "pd.DataFrame":
    """The attempts of the fleet's onboardings, as `opslib.samples_frame` has them, and their `org`; empty for those
    made while planning."""
    ledger, orgs = fleet.run.ledger, {row.file: row.org for row in plan.rows}
    begun = {entry.run_id for entry in ledger.entries("run.started") if entry.data.get("fleet") == fleet.run.id}
    samples = ledger.samples_frame()
    samples = samples[samples["run_id"].isin(begun) & ~samples["operation"].isin(NOT_OF_THE_API)]
    org_of = {target.run_id: orgs[target.file] for target in result.targets}
    return samples.assign(org=samples["run_id"].map(lambda run: org_of.get(run, "")))


def charts_html(samples: "pd.DataFrame") -> str:
    """As HTML; empty without samples."""
    if samples.empty:
        return ""
    charts = latency_chart(samples), success_chart(samples), rate_chart(samples)
    return "".join(f'<div style="margin:8px 0">{chart.html()}</div>' for chart in charts)


def rate_chart(samples: "pd.DataFrame") -> Chart:
    """The attempts of the last 60 s, at each moment of the apply, for the org with the most, and the 429s."""
    title = "Requests of the apply within 60 s, against the rate limit"
    rates = _rates(samples)
    if not rates:
        return Chart(title, "No attempts are recorded, so there is no data to show")
    org, rate = max(rates.items(), key=lambda pair: pair[1].max())
    own = samples[samples["org"] == org].sort_values("started_at")
    seconds = (own["started_at"] - own["started_at"].iloc[0]).dt.total_seconds().to_numpy()
    limited = (own["outcome"] == "rate_limited").to_numpy()
    most, busiest = int(rate.max()), f"the busiest of {len(rates)} orgs" if len(rates) > 1 else "the only org"
    alt = (
        f"{org_words(org)}, {busiest}: {len(own):,} attempts within {seconds[-1]:.1f} s, at most {most:,} in 60 s, of "
        f"{_ALLOWED} that Genesys usually allows; {int(limited.sum())} answered with 429"
    )

    def draw(axes: "Axes") -> None:
        shown: dict[str, Artist] = {}
        (shown["attempts in the last 60 s"],) = axes.step(seconds, rate.to_numpy(), where="post", color=BLUE)
        shown[f"{_ALLOWED}: the usual limit"] = axes.axhline(_ALLOWED, color=GREY, linestyle="--")
        if limited.any():
            marks = seconds[limited], rate.to_numpy()[limited]
            shown["rate limited (429)"] = axes.scatter(*marks, s=40, marker="D", color=ORANGE, zorder=3)
        axes.set(xlabel="seconds after the first attempt", title="attempts", ylim=(0, 1.1 * max(_ALLOWED, most)))
        legend(shown)

    return Chart(title, alt, svg(draw, salt=alt))


def _rates(samples: "pd.DataFrame") -> "Mapping[str, pd.Series[float]]":
    """For each org, at each of its attempts how many there were in the 60 s up to it."""
    in_order = samples[samples["org"] != ""].sort_values("started_at").set_index("started_at")
    return {str(org): group["attempt"].rolling(_WINDOW).count() for org, group in in_order.groupby("org")}
