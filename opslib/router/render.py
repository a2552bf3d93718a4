"""A plan as text for a terminal, made from `Plan.as_json()`, which is what the ledger keeps."""

from collections.abc import Iterator
from typing import Any

from opslib.genesys.field_words import in_words, label
from opslib.visible import visible_line

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
NOTHING = "Nothing to do: the org is as wanted."
NOTHING_TO_UNDO = "Nothing to undo."


def as_text(plan: dict[str, Any], *, paths: bool = False) -> str:
    """A line for each change with its sign (+ ~ -) and for each field in words, with `paths` also as the API calls it;
    then what is unsafe (!), the warnings (⚠), the notes (i) and the checksum."""
    notes = [*(f"⚠ {one}" for one in plan.get("warnings", ())), *(f"i {one}" for one in plan.get("notes", ()))]
    if not plan["changes"]:
        return "\n".join(map(visible_line, [NOTHING_TO_UNDO if plan.get("undoes") else NOTHING, *notes]))
    lines = [line for change in plan["changes"] for line in _change_lines(change, paths)]
    unsafe = [
        f"! {item['name']}: {item['why']} (needs --allow {item['name']}, with a reason)" for item in plan["unsafe"]
    ]
    end = f"{len(plan['changes'])} to change, checksum {plan['checksum']}"
    return "\n".join(map(visible_line, [*lines, *unsafe, *notes, end]))


def _change_lines(change: dict[str, Any], paths: bool) -> Iterator[str]:
    yield heading(change)
    for field in change["fields"]:
        yield f"    {sentence(change['action'], field)}"
        if paths:
            yield f"        {field['path']}"


def sentence(action: str | None, field: dict[str, Any]) -> str:
    """What a field is or will be, what it was, or both: `delete after 365 days → 400 days`. `action` and field may be
    those of Genesys's own audit."""
    path, before, after = str(field["path"]), field["before"], field["after"]
    old, new = (show(in_words(path, value)) for value in (before, after))
    value = {"create": new, "delete": old}.get(str(action).lower(), f"{old} → {new}")
    return f"{label(path)}{value}"


def heading(change: dict[str, Any]) -> str:
    """A change in one line, with its sign."""
    id = f" ({change['id']})" if change["id"] != change["name"] else ""  # platform: not known before it is made
    return f"{_SIGNS[change['action']]} {change['action']} {change['kind']} {change['name']}{id}"


def show(value: Any) -> str:
    """A field's value in words; a dash where there is none."""
    if value is None or value == []:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(show, value))
    if isinstance(value, dict):  # in a list, such as a reference to a queue
        return " ".join(map(show, value.values()))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
