import io
from collections.abc import Callable

import pytest
from PIL import Image

from opslib.audit.charts import (
    Chart,
    latency_chart,
    retention_chart,
    steps_chart,
    success_chart,
    timeline_chart,
    wilson_interval,
)
from opslib.samples import frame


def _rows(*outcomes: str, method: str = "PUT") -> list[dict[str, object]]:
    return [
        {
            "run_id": "r", "operation": "upsert <b>", "step": "s", "method": method, "endpoint": "/x", "attempt": 1,
            "status": 200, "outcome": outcome, "latency_s": 0.01 * (number + 1),
            "started_at": "2026-11-23T08:00:00.000Z", "correlation_id": None,
        }
        for number, outcome in enumerate(outcomes)
    ]  # fmt: skip


def _is_a_picture(chart: Chart) -> bool:
    image = Image.open(io.BytesIO(chart.png)).convert("RGB")
    return len(image.getcolors(maxcolors=image.width * image.height) or []) > 10


def test_latency_chart_says_its_figures() -> None:
    """The alternative text has count and percentiles as the DataFrame gives them."""
    samples = frame(_rows(*["success"] * 40))
    chart = latency_chart(samples)
    quantiles = samples["latency_s"].quantile([0.5, 0.95, 0.99]) * 1000
    for percent, value in zip((50, 95, 99), quantiles, strict=True):
        assert f"p{percent} {value:.1f} ms" in chart.alt
    assert chart.alt.startswith("40 attempts")
    assert _is_a_picture(chart)


def test_success_chart_counts_per_operation_and_escapes() -> None:
    """Failures are shown, a 404 to a question counts neither way, and names are escaped."""
    rows = _rows("success", "server_error", "success")
    chart = success_chart(frame([*rows, *_rows("not_found", method="GET")]))
    assert chart.alt == "upsert <b>: 2 of 3 succeeded"
    assert success_chart(frame([*rows, *_rows("not_found")])).alt == "upsert <b>: 2 of 4 succeeded"
    html = chart._repr_mimebundle_()["text/html"]
    assert "upsert &lt;b&gt;: 2 of 3" in html
    assert "<b>" not in html
    assert 'alt="upsert' in html
    assert _is_a_picture(chart)


def test_timeline_says_rate_limits_failures_and_retries() -> None:
    """Each is counted once; a 404 to a question is an answer; the span and the slowest are the DataFrame's."""
    rows = _rows("success", "rate_limited", "server_error", "not_found", "timeout")
    rows[3]["method"] = "GET"
    for number, row in enumerate(rows):
        row["started_at"] = f"2026-11-23T08:00:0{number}.500Z"
    rows[2]["attempt"] = rows[4]["attempt"] = 2
    chart = timeline_chart(frame(reversed(rows)))
    assert chart.alt == (
        "5 attempts within 4.0 s: 2 answered, 1 rate limited (429), 2 failed otherwise; 2 of them second or later "
        "tries. The slowest took 50.0 ms"
    )
    assert _is_a_picture(chart)
    rows[3]["method"] = "PUT"
    assert "1 answered, 1 rate limited (429), 3 failed otherwise" in timeline_chart(frame(rows)).alt


def test_steps_stand_in_the_order_in_which_they_ran() -> None:
    """With count and percentiles of each; attempts outside a step are not left out."""
    rows = _rows(*["success"] * 4)
    for row, step, second in zip(rows, ("plan", "connect", "plan", ""), (2, 1, 3, 4), strict=True):
        row |= {"step": step, "started_at": f"2026-11-23T08:00:0{second}.000Z"}
    chart = steps_chart(frame(rows))
    assert chart.alt == (
        "connect: 1 attempts, p50 20.0 ms, p95 20.0 ms; plan: 2 attempts, p50 20.0 ms, p95 29.0 ms; "
        "outside a step: 1 attempts, p50 40.0 ms, p95 40.0 ms"
    )
    assert _is_a_picture(chart)


CHARTS = [latency_chart, success_chart, timeline_chart, steps_chart]


@pytest.mark.parametrize("draw", CHARTS)
def test_no_samples_are_no_data(draw: Callable[..., Chart]) -> None:
    """An empty DataFrame is said to be empty, not drawn as zero."""
    assert "no data" in draw(frame([])).alt


@pytest.mark.parametrize("draw", CHARTS)
def test_pictures_are_reproducible(draw: Callable[..., Chart]) -> None:
    """The same samples give the same bytes, also after other pictures were drawn."""
    samples = frame(_rows(*["success"] * 9, "rate_limited"))
    first = draw(samples)
    for other in CHARTS:
        other(samples)
    assert draw(samples) == first
    assert draw(samples.head(3)) != first


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    # Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval(good: int, total: int, low: float, high: float) -> None:
    """The published examples."""
    assert wilson_interval(good, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_retention_chart_says_what_is_lost_and_when() -> None:
    """All four clocks in words, the losses that come too early first, and when the bytes are gone."""
    early = {"kind": "hidden", "day": 30, "rule": "cheap <b>", "part": "", "on": None, "prefix": ""}
    late = early | {"kind": "archived", "day": 9, "rule": "a-rule-with-a-very-long-name-indeed"}
    clocks = {"policy_days": 90, "target_days": 365, "lock": {"mode": "GOVERNANCE", "days": 100}, "removed": 100}
    chart = retention_chart(clocks | {"losses": [late, early], "early": [early]})
    assert chart.alt == (
        "policy keeps 90 days; target keeps 365 days; Object Lock holds GOVERNANCE 100 days; "
        "rule cheap <b>: hidden on day 30, too early; rule a-rule-with-a-very-long…: archived on day 9; "
        "the bytes are gone on day 100"
    )
    assert "cheap &lt;b&gt;" in chart.html()
    assert _is_a_picture(chart)
    nothing = retention_chart(dict.fromkeys(clocks) | {"losses": [], "early": []})
    assert "no lifecycle rule touches recordings; the bytes are never removed" in nothing.alt
    many = retention_chart(clocks | {"losses": [late | {"day": day} for day in range(1000)], "early": []})
    assert Image.open(io.BytesIO(many.png)).height < 1000
