"""The portfolio as one page, without script and without network. On a narrow screen each row is a card."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from string import Template
from typing import Any

from opslib.audit.portfolio.portfolio import Portfolio
from opslib.audit.portfolio.row import SOON_DAYS, Row, Walk, at_days
from opslib.audit.rule import days_words
from opslib.audit.words import counted, key_words
from opslib.html import text as escaped
from opslib.html import verdict
from opslib.ledger.moment import utc_text
from opslib.ledger.signing import key_id
from opslib.router.unsafe_changes import UNSAFE
from opslib.verdict import ICONS, WORST_FIRST, Verdict, in_words
from opslib.visible import visible

# Heading and share of the width of each column.
_COLUMNS = {
    "Target and bucket": 18, "Rule": 9, "Verdict": 21, "Evidence age": 9, "Exceptions": 13, "Last change": 12,
    "Last walks": 10, "Recordings seen": 12,
}  # fmt: skip
_LEGEND = (
    "Last walks: oldest on the left, each as it was judged before the next one began; the taller the bar, the worse:"
    " PASS, WARN, UNKNOWN (hollow), FAIL. Recordings seen: found in the bucket, of those due at the newest verification"
    " of the archive. Evidence age: the oldest part counts. A sandbox proves nothing about a live org. An exception"
    " never changes a verdict."
)
_HEIGHTS: Mapping[Verdict, float] = {"FAIL": 18.5, "UNKNOWN": 13.5, "WARN": 9.5, "PASS": 3.5, "not_checked": 3.5}
_BAR, _STEP, _FLOOR = 7.5, 11, 20.25


def page(portfolio: Portfolio) -> str:
    """The whole page."""
    template = files("opslib.audit").joinpath("templates", "portfolio.html").read_text(encoding="utf-8")
    styles = (files("opslib.audit").joinpath("templates", name) for name in ("audit.css", "portfolio.css"))
    return Template(template).substitute(
        title=f"Call recording storage: {counted(len(portfolio.rows), 'target')}",
        style="".join(style.read_text(encoding="utf-8") for style in styles),
        kick=_kick(portfolio),
        bands="".join(_bands(portfolio)),
        totals="".join(f"<div>{total}</div>\n" for total in _totals(portfolio)),
        table=_table(portfolio),
        legend=_LEGEND,
        record=_record(portfolio),
    )


def _kick(portfolio: Portfolio) -> str:
    source, sandboxes = portfolio.source, portfolio.sandboxes
    said = [
        "opslib portfolio",
        *([f"{counted(sandboxes, 'target')} on a sandbox"] if sandboxes else []),
        *([f"walks {source.range_words()}"] if source.since or source.until else []),
        f"as of {at_days(utc_text(source.as_of))} (UTC)",
    ]
    key = f'signed by key <code class="nowrap">{_text(key_words(key_id(portfolio.key)))}</code>'
    return " · ".join([*map(_text, said), key])


def _bands(portfolio: Portfolio) -> Iterator[str]:
    ledger, left_out = portfolio.source.ledger, portfolio.source.without_target()
    if not ledger.intact:
        yield f'<p class="loud"><strong>The ledger is {_text(ledger.state)}: {_text(ledger.reason)}.</strong></p>\n'
    if left_out:
        said = f"{counted(left_out, 'walk')} of an older opslib did not say of what target, and are not listed."
        yield f'<p class="loud"><strong>{_text(said)}</strong></p>\n'


def _record(portfolio: Portfolio) -> str:
    """What the page rests on, and how to check it."""
    source = portfolio.source
    return _text(
        f"From one ledger, verified once for all targets: {source.ledger.reason}."
        f" Entries 1 to {source.last_seq:,} count. Each target's folder is the audit of its last walk. To verify all of"
        " it, run “opslib verify FOLDER --key KEY” with the public key that you got from its owner. The same facts for"
        " programs are in portfolio.json."
    )


def _totals(portfolio: Portfolio) -> Iterator[str]:
    counts, exceptions, evidence = portfolio.counts, portfolio.exceptions, portfolio.evidence
    tally = "".join(
        f"<li>{verdict(word).html} {counts[in_words(word)]}</li>" for word in WORST_FIRST if counts[in_words(word)]
    )
    yield f'<h2>Verdicts, worst first</h2>{_stack(portfolio)}<ul class="tally">{tally}</ul>'
    said = [
        *([_mark("bad", "FAIL", f"{exceptions['expired']} expired")] if exceptions["expired"] else []),
        *(
            [_mark("look", "WARN", f"{exceptions['ending_soon']} to end within {SOON_DAYS} days")]
            if exceptions["ending_soon"]
            else []
        ),
    ]
    yield f"<h2>Exceptions</h2>{_figure(exceptions['count'])}<p>{'<br>'.join(said)}</p>"
    old = f"Evidence over {days_words(evidence['limit_days'])} old"
    of = f"of {counted(evidence['with_evidence'], 'target')} with evidence"
    yield f"<h2>{_text(old)}</h2>{_figure(evidence['stale'])}<p>{_text(of)}</p>"
    yield f"<h2>Recordings seen in the bucket</h2>{_seen(portfolio)}"


def _seen(portfolio: Portfolio) -> str:
    seen = portfolio.recordings
    measured, missing = seen["targets_measured"], seen["due"] - seen["arrived"]
    figure = f"{seen['arrived']:,} of {seen['due']:,}" if measured else "not measured"
    lost = f"{_mark('look', 'WARN', f'{missing:,} missing')}. " if missing else ""
    of = f"{counted(measured, 'target')} measured, {len(portfolio.rows) - measured} not."
    return f"{_figure(figure)}<p>{lost}{_text(of)}</p>"


def _figure(value: object) -> str:
    return f'<p class="figure">{_text(value)}</p>'


def _stack(portfolio: Portfolio) -> str:
    """How many targets have each verdict, as one bar."""
    total, left, parts = len(portfolio.rows), 0.0, []
    for word in WORST_FIRST:
        if count := portfolio.counts[in_words(word)]:
            width = 100 * count / total
            parts.append(
                f'<rect class="{_bar(word)}" x="{left + 0.2:.2f}%" y="1" width="{width - 0.4:.2f}%" height="14"/>'
            )
            left += width
    told = ", ".join(f"{count} {word}" for word, count in portfolio.counts.items() if count)
    label = f"{counted(total, 'target')} by verdict: {told}"
    return f'<svg class="stack" width="100%" height="16" role="img" aria-label="{_text(label)}">{"".join(parts)}</svg>'


def _table(portfolio: Portfolio) -> str:
    """With its roles written out: a table that is shown as cards loses them."""
    widths = "".join(f'<col style="width:{100 * share / sum(_COLUMNS.values()):.2f}%">' for share in _COLUMNS.values())
    heads = "".join(f'<th scope="col" role="columnheader">{_text(name)}</th>' for name in _COLUMNS)
    rows = "".join(_row(row, portfolio.source.evidence_days) for row in portfolio.rows)
    note = "Within a verdict, the oldest evidence comes first. Last change: applied by / approved by."
    return (
        f'<table role="table">\n<caption>Targets, worst first <span class="quiet">{note}</span></caption>\n'
        f"<colgroup>{widths}</colgroup>\n"
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n<tbody role="rowgroup">\n{rows}</tbody></table>\n'
    )


def _row(row: Row, limit_days: int) -> str:
    _, *labels = _COLUMNS
    cells = (_rule(row), _verdict(row), _age(row, limit_days), _exceptions(row), _change(row), _walks(row), _found(row))
    told = "".join(
        f'<td role="cell" data-label="{_text(label)}"><div>{cell}</div></td>'
        for label, cell in zip(labels, cells, strict=True)
    )
    hit = ' class="hit"' if row.verdict == "FAIL" else ""
    return f'<tr role="row"{hit}><th scope="row" role="rowheader">{_name(row)}</th>{told}</tr>\n'


def _name(row: Row) -> str:
    name = _text(row.name)
    linked = f'<a href="{_text(row.folder)}/audit.html">{name}</a>' if row.folder else name
    sandbox = ' <span class="sandbox">SANDBOX</span>' if row.target.environment == "sandbox" else ""
    org = _small(row.org or row.target.org)
    return f"{linked}{sandbox}<br>{org}<br><code>{_breaking(row.bucket)}</code>" if row.bucket else f"{linked}<br>{org}"


def _rule(row: Row) -> str:
    if row.rule is None:
        return _quiet("not known")
    days = days_words(row.rule["days"])
    return f'{_text(row.rule["profile"])}<br><span class="quiet">{_text(days)}</span>'


def _verdict(row: Row) -> str:
    why = row.error or row.why
    return verdict(row.verdict).html + (f'<br><span class="small">{_text(why)}</span>' if why else "")


def _age(row: Row, limit_days: int) -> str:
    if row.age_days is None:
        return _quiet("no evidence")
    words = "less than a day" if row.age_days == 0 else counted(row.age_days, "day")
    return f"{_mark('look', 'WARN', words)}<br>{_small(f'over {limit_days}')}" if row.is_stale else _text(words)


def _exceptions(row: Row) -> str:
    return "<br>".join(_exception(one) for one in row.exceptions) or _quiet("none")


def _exception(one: Mapping[str, Any]) -> str:
    days = one["days_left"]
    name = _text(str(one["name"]).replace("-", " ").capitalize() if one["name"] in UNSAFE else one["name"])
    if one["state"] == "expired":
        left = _mark("bad", "FAIL", f"expired, {counted(-days, 'day')}")
    elif days <= SOON_DAYS:
        left = _mark("look", "WARN", f"{counted(days, 'day')} left")
    else:
        left = _quiet(f"{counted(days, 'day')} left")
    unsaid = "" if str(one["reason"]).strip() else f"<br>{_mark('look', 'WARN', 'no reason given')}"
    return f"{name}<br>{left}{unsaid}"


def _change(row: Row) -> str:
    if row.last_change is None:
        return _quiet("none")
    change = row.last_change
    who = f"{change.applied_by} / {change.approved_by or 'not approved'}"
    half = "" if change.finished else f"<br>{_mark('bad', 'FAIL', 'left half-done')}"
    return f'<span class="nowrap">{at_days(change.at)}</span><br>{_small(who)}{half}'


def _walks(row: Row) -> str:
    """A bar for each, and below it the verdicts in words, each once where it stayed the same."""
    if not row.walks:
        return _quiet("not known")
    words = [in_words(walk.verdict) for walk in row.walks]
    label = f"Last {counted(len(words), 'walk')}, oldest first: {', '.join(words)}"
    kept = [word for word, _ in groupby(words)]
    told = " → ".join(["…", *kept[-2:]] if len(kept) > 3 else kept)
    return f"{_trend(row.walks, label)}{_small(told)}"


def _trend(walks: Sequence[Walk], label: str) -> str:
    first = 8 - len(walks)  # the last one is on the right
    bars = "".join(_trend_bar(first + place, walk.verdict) for place, walk in enumerate(walks))
    return (
        f'<svg class="trend" viewBox="0 0 88 22" width="88" height="22" role="img" aria-label="{_text(label)}">{bars}'
        '<path d="M0 21.5H88" class="base"/></svg>'
    )


def _trend_bar(place: int, word: Verdict) -> str:
    height = _HEIGHTS[word]
    at = f'x="{place * _STEP + 0.75}" y="{_FLOOR - height}" width="{_BAR}" height="{height}"'
    return f'<rect {at} class="{_bar(word)}"/>'


def _found(row: Row) -> str:
    if row.recordings is None:
        return _quiet("not measured")
    missing = row.recordings.due - row.recordings.arrived
    lost = f"<br>{_mark('look', 'WARN', f'{missing:,} missing')}" if missing else ""
    return f"{row.recordings.arrived:,} of {row.recordings.due:,}{lost}"


def _bar(word: Verdict) -> str:
    return f"bar-{word.replace('_', '-')}"


def _mark(style: str, icon: Verdict, words: str) -> str:
    return f'<span class="{style}"><span aria-hidden="true">{ICONS[icon]}</span> {_text(words)}</span>'


def _quiet(words: str) -> str:
    return f'<span class="quiet">{_text(words)}</span>'


def _small(words: str) -> str:
    return f'<span class="small quiet">{_text(words)}</span>'


def _breaking(name: str) -> str:
    """A name of a bucket may break after each of its hyphens and dots."""
    return _text(name).replace("-", "-<wbr>").replace(".", ".<wbr>")


def _text(value: object) -> str:
    return escaped(visible(value))
