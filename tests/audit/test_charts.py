import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib
import pytest
from matplotlib.figure import Figure

from opslib.audit.charts import latency_chart, retention_chart, steps_chart, success_chart, timeline_chart
from opslib.audit.drawing import BLUE, GREY, INK, ORANGE, Chart
from opslib.ledger.samples import frame
from opslib.ledger.statistics import wilson_interval


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What was drawn, beside the pictures that were made of it."""
    drawn: list[Figure] = []
    save = Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        drawn.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return drawn


def _points(marks: Any) -> list[list[float]]:
    """Where the marks of a scatter stand."""
    return marks.get_offsets().round(6).tolist()


def _shapes(*marks: Any) -> set[str]:
    return {str(one.get_paths()[0].vertices.tolist()) for one in marks}


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
    """An image of an SVG, which stands alone, with text as text."""
    root = ET.fromstring(chart.svg)
    shown = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    return len(shown) > 3 and all(shown) and chart.html().count("<svg viewBox") == chart.html().count("<img ") == 1


def test_latency_chart_says_its_figures(figures: list[Figure]) -> None:
    """The alternative text has count and percentiles as the DataFrame gives them; both halves show them."""
    samples = frame(_rows(*["success"] * 100))
    chart = latency_chart(samples)
    quantiles = samples["latency_s"].quantile([0.5, 0.95, 0.99]) * 1000
    for percent, value in zip((50, 95, 99), quantiles, strict=True):
        assert f"p{percent} {value:.1f} ms" in chart.alt
    assert chart.alt.startswith("100 attempts")
    assert _is_a_picture(chart)
    shares, histogram = figures[-1].axes
    assert sum(bar.get_height() for bar in histogram.patches) == 100
    (curve,) = (line for line in shares.lines if line.get_drawstyle() == "steps-post")
    assert list(curve.get_xdata())[1:] == pytest.approx(list(samples["latency_s"]))
    assert list(curve.get_ydata()) == pytest.approx([number / 100 for number in range(101)])
    for axes in (histogram, shares):
        marks = [line for line in axes.lines if line is not curve]
        assert [line.get_xdata() for line in marks] == [pytest.approx([ms / 1000, ms / 1000]) for ms in quantiles]
        assert len({line.get_linestyle() for line in marks}) == 3


def test_few_latencies_are_dots(figures: list[Figure]) -> None:
    """One for each attempt; a percentile of 19 would be the slowest under another name. p99 needs 100."""
    rows = _rows(*["success"] * 19)
    rows[1]["latency_s"] = 0.01
    assert latency_chart(frame(rows)).alt == "19 attempts, 10.0 ms to 190.0 ms"
    (dots,) = figures[-1].axes[0].collections
    assert _points(dots) == [[0.01, 1], [0.01, 2], *([number / 100, 1] for number in range(3, 20))]
    assert latency_chart(frame(rows[:2])).alt == "2 attempts, 10.0 ms"
    assert "p95" in (alt := latency_chart(frame(_rows(*["success"] * 99))).alt)
    assert "p99" not in alt


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


def test_success_chart_shows_rate_and_interval_of_each_operation(figures: list[Figure]) -> None:
    """What failed at times has another mark, not only another colour; an interval is drawn from 20 attempts on."""
    rows = _rows("success", "server_error", *["success"] * 20)
    rows[2]["operation"] = rows[3]["operation"] = "read"
    success_chart(frame(rows))
    (axes,) = figures[-1].axes
    lines = [(list(line.get_xdata()), list(line.get_ydata()), line.get_marker()) for line in axes.lines]
    assert lines == [
        ([100], [0], "o"),
        (pytest.approx([100 * end for end in wilson_interval(19, 20)]), [1, 1], "None"),
        ([95], [1], "X"),
    ]


def test_timeline_says_rate_limits_failures_and_retries(figures: list[Figure]) -> None:
    """Each is counted once; a 404 to a question is an answer; the span and the slowest are the DataFrame's. Each kind
    has its shape, and a retry a ring around it."""
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
    answered, limited, failed, rings = figures[-1].axes[0].collections
    assert (_points(answered), _points(limited), _points(failed)) == (
        [[0, 0.01], [3, 0.04]],
        [[1, 0.02]],
        [[2, 0.03], [4, 0.05]],
    )
    assert len(_shapes(answered, limited, failed)) == 3
    assert _points(rings) == _points(failed)
    assert not len(rings.get_facecolor())
    assert min(rings.get_sizes()) > max(failed.get_sizes())
    rows[3]["method"] = "PUT"
    assert "1 answered, 1 rate limited (429), 3 failed otherwise" in timeline_chart(frame(rows)).alt


def test_steps_stand_in_the_order_in_which_they_ran(figures: list[Figure]) -> None:
    """With each attempt, as there are few; attempts outside a step are not left out."""
    rows = _rows(*["success"] * 4)
    for row, step, second in zip(rows, ("plan", "connect", "plan", ""), (2, 1, 3, 4), strict=True):
        row |= {"step": step, "started_at": f"2026-11-23T08:00:0{second}.000Z"}
    chart = steps_chart(frame(rows))
    assert chart.alt == (
        "connect: 1 attempt, 20.0 ms; plan: 2 attempts, 10.0 ms to 30.0 ms; outside a step: 1 attempt, 40.0 ms"
    )
    assert _is_a_picture(chart)
    (dots,) = figures[-1].axes[0].collections
    assert _points(dots) == [[0.02, 0], [0.01, 1], [0.03, 1], [0.04, 2]]


def test_a_step_of_20_attempts_has_percentiles(figures: list[Figure]) -> None:
    """In place of its dots, and of another shape than each other."""
    rows = _rows(*["success"] * 21)
    rows[-1] |= {"step": "report", "started_at": "2026-11-23T09:00:00.000Z"}
    assert steps_chart(frame(rows)).alt == "s: 20 attempts, p50 105.0 ms, p95 190.5 ms; report: 1 attempt, 210.0 ms"
    dots, p50, p95 = figures[-1].axes[0].collections
    assert (_points(dots), _points(p50), _points(p95)) == ([[0.21, 1]], [[0.105, 0]], [[0.1905, 0]])
    assert len(_shapes(p50, p95)) == 2


CHARTS = [latency_chart, success_chart, timeline_chart, steps_chart]


@pytest.mark.parametrize("draw", CHARTS)
def test_no_samples_are_no_data(draw: Callable[..., Chart]) -> None:
    """An empty DataFrame is said to be empty, not drawn as zero: a sentence, and no empty axes."""
    chart = draw(frame([]))
    assert "no data" in chart.alt
    assert chart.svg == ""
    assert "<svg" not in chart.html()
    assert "<img" not in chart.html()


@pytest.mark.parametrize("draw", CHARTS)
def test_pictures_are_reproducible(draw: Callable[..., Chart]) -> None:
    """The same samples give the same bytes, also after other pictures were drawn, and whatever style a
    user has set."""
    samples = frame(_rows(*["success"] * 9, "rate_limited"))
    first = draw(samples)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "axes.grid": True}):
        for other in CHARTS:
            other(samples)
        assert draw(samples) == first
    assert draw(samples.head(3)) != first


def _retention(_: Any) -> Chart:
    early = {"kind": "hidden", "day": 30, "rule": "r", "part": "", "on": None, "prefix": ""}
    late = early | {"kind": "archived", "day": 99}
    lock = {"mode": "GOVERNANCE", "days": 17}
    clocks = {"policy_days": 90, "target_days": 365, "lock": lock, "removed": 100}
    return retention_chart(clocks | {"losses": [late, early], "early": [early]})


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


# JupyterLab's, the cards on them, and the audit page's.
PAGES = ["#ffffff", "#111111", "#212121", "#12171c"]


@pytest.mark.parametrize("draw", [*CHARTS, _retention])
def test_pictures_are_seen_on_light_and_dark_pages(draw: Callable[..., Chart]) -> None:
    """Marks have colours that are seen on both, and all else has the colour of the page's text."""
    chart = draw(frame([*_rows("success", "rate_limited", "server_error"), *_rows(*["success"] * 20)]))
    page = chart.html().split("<img ")[0]
    used = set(re.findall("#[0-9a-f]{6}", page))
    assert used <= {BLUE, ORANGE, GREY}
    assert used
    assert min(_contrast(mark, back) for mark in (BLUE, ORANGE, GREY) for back in PAGES) >= 3
    texts = re.findall("<text [^>]*>", page)
    assert texts
    assert all("fill: currentColor" in text for text in texts)
    assert _contrast(INK, "#ffffff") > 7  # as an image, on white


def test_a_drawing_reaches_nothing_beyond_itself() -> None:
    """On a page with others it has no style for all, and no id that another one has."""
    first, second = (success_chart(frame(_rows(*["success"] * count))).html().split("<img ")[0] for count in (21, 22))
    ids = [set(re.findall(r'\bid="([^"]*)"', page)) for page in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "<style" not in first
    assert not re.search("xmlns|https?:|DejaVu", first)


def test_names_from_outside_stay_text() -> None:
    """Neither markup nor a formula; what cannot be seen is written out, and what is long is cut."""
    rows = _rows("success")
    rows[0]["operation"] = "<script> $x^2$ \x07\u202e" + "W" * 300
    svg = success_chart(frame(rows)).svg
    assert "&lt;script&gt; $x^2$ U+0007U+202E" in svg
    assert "W" * 40 not in svg


def test_one_slow_value_squeezes_no_other(figures: list[Figure]) -> None:
    """The axis is logarithmic, so the others fill more than one bar; its marks are few and in words."""
    samples = frame(_rows(*["success"] * 99, "success"))
    samples.loc[99, "latency_s"] = 60.0
    latency_chart(samples)
    histogram = figures[-1].axes[1]
    assert sum(bar.get_height() > 0 for bar in histogram.patches) > 5
    marks = [label.get_text() for label in histogram.get_xticklabels()]
    assert marks == ["10 ms", "100 ms", "1 s", "10 s", "1 min"]


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
    cut, kept = (retention_chart(clocks | {"losses": [], "org_days": days}).alt for days in (60, 90))
    assert cut.startswith("policy keeps cut by the org to 60 days; ")
    assert kept.startswith("policy keeps 90 days; ")
    nothing = retention_chart(dict.fromkeys(clocks) | {"losses": [], "early": []})
    assert "no lifecycle rule touches recordings; the bytes are never removed" in nothing.alt
    many = retention_chart(clocks | {"losses": [late | {"day": day} for day in range(1000)], "early": []})
    assert float(ET.fromstring(many.svg).attrib["height"]) < 700


def test_charts_that_are_drawn_at_once_are_those_drawn_in_turn() -> None:
    """matplotlib has one style for all threads; a card draws beside others."""
    samples = [frame(_rows(*["success"] * count)) for count in (1, 2, 25)]
    in_turn = [success_chart(one).svg for one in samples]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda one: success_chart(one).svg, samples * 3)) == in_turn * 3
