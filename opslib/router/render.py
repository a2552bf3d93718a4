"""A plan for people: as text for a terminal, as a table for a notebook or page.

Both are made from `Plan.as_json()`, which is what the ledger keeps.
"""

from collections.abc import Iterator
from typing import Any

from opslib.html import Html, table, text

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
NOTHING = "Nothing to do: the org is as wanted."


def as_text(plan: dict[str, Any]) -> str:
    """A line for each change with its sign (+ ~ -) and for each field, then what is unsafe (!), the notes (i) and the
    checksum."""
    notes = [f"i {note}" for note in plan.get("notes", ())]
    if not plan["changes"]:
        return "\n".join([NOTHING, *notes])
    lines = [line for change in plan["changes"] for line in _change_lines(change)]
    unsafe = [f"! {item['name']}: {item['why']} (needs --allow {item['name']})" for item in plan["unsafe"]]
    return "\n".join([*lines, *unsafe, *notes, f"{len(plan['changes'])} to change, checksum {plan['checksum']}"])


def as_html(plan: dict[str, Any]) -> Html:
    """A table for each change with a row for each field, signs and words rather than colour; below what is unsafe."""
    listed = "".join(f"<li>{text(note)}</li>" for note in plan.get("notes", ()))
    notes = f"<p><strong>What this API does otherwise:</strong></p><ul>{listed}</ul>" if listed else ""
    if not plan["changes"]:
        return Html(f"<p>{text(NOTHING)}</p>{notes}", as_text(plan))
    tables = [
        table(
            heading(change),
            ("Field", "Before", "After"),
            [(field["path"], show(field["before"]), show(field["after"])) for field in change["fields"]],
        ).html
        for change in plan["changes"]
    ]
    unsafe = "".join(f"<li><strong>{text(item['name'])}</strong>: {text(item['why'])}</li>" for item in plan["unsafe"])
    warning = (
        f'<p><span aria-hidden="true">⚠</span> <strong>Unsafe, needs consent:</strong></p><ul>{unsafe}</ul>'
        if unsafe
        else ""
    )
    return Html("".join(tables) + warning + notes, as_text(plan))


def _change_lines(change: dict[str, Any]) -> Iterator[str]:
    yield heading(change)
    for field in change["fields"]:
        yield f"    {field['path']}: {show(field['before'])} → {show(field['after'])}"


def heading(change: dict[str, Any]) -> str:
    """A change in one line, with its sign."""
    return f"{_SIGNS[change['action']]} {change['action']} {change['kind']} {change['name']} ({change['id']})"


def show(value: Any) -> str:
    """A field's value in words; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(show, value))
    if isinstance(value, dict):  # in a list, such as a reference to a queue
        return " ".join(map(show, value.values()))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
