"""A plan, as blocks of the report and of a card, from `opslib.router.plan.Plan` as JSON."""

from collections.abc import Sequence
from typing import Any

from opslib.audit.document import Block, Cell, Prose, Table
from opslib.genesys.field_words import in_words, title
from opslib.router.differences import Difference
from opslib.router.render import NOTHING, heading, show

WARNINGS = "Where the org does not do what the onboarding says, or may not"


def changes(plan: dict[str, Any], *, words: bool = False) -> Sequence[Block]:
    """A table for each change, with a row for each field; a sentence when nothing is to change. Fields are as in the
    API, where a reviewer can trace them; with `words` as people call them."""
    if not plan["changes"]:
        return [Prose(NOTHING)]
    return [_fields(change, words) for change in plan["changes"]]


def _fields(change: dict[str, Any], words: bool) -> Table:
    """What is created has nothing before, and what is removed nothing after."""
    sides = {"create": ["after"], "delete": ["before"]}.get(change["action"], ["before", "after"])
    rows: list[list[Cell]] = [
        [
            title(field["path"]) if words else field["path"],
            *(show(in_words(field["path"], field[side]) if words else field[side]) for side in sides),
        ]
        for field in change["fields"]
    ]
    return Table(heading(change), ("Field", *map(str.capitalize, sides)), rows, (1,) * (1 + len(sides)))


def blocks(plan: dict[str, Any]) -> Sequence[Block]:
    """The changes; below them what is unsafe, where the org does not follow the onboarding, and what the API does not
    carry."""
    tables = [*changes(plan)]
    if warnings := plan.get("warnings"):
        tables.append(Table(WARNINGS, ("Part", "What"), _by_part(warnings), (1, 3)))
    if not plan["changes"]:
        return tables
    if plan["unsafe"]:
        rows = [[risk["name"], risk["why"]] for risk in plan["unsafe"]]
        tables.append(Table("Unsafe, needs consent", ("Name", "What it means"), rows, (1, 3)))
    if notes := plan.get("notes"):
        tables.append(Table(_about(plan), ("Part", "What"), _by_part(notes), (1, 3)))
    return tables


def decisions(taken: Sequence[Difference]) -> Sequence[Block]:
    """What was not as it was sent, field by field, and who decided to keep it or to write over it."""
    rows: list[list[Cell]] = [
        [f"{one.kind} {one.name}", path, show(sent), show(kept), one.choice, f"{one.by}, {one.at}", one.origin]
        for one in taken
        for path, sent, kept in [(field.path, field.sent, field.kept) for field in one.fields] or [("–", "–", "gone")]
    ]
    head = ("Object", "Field", "Sent", "In the org", "Decision", "By, when (UTC)", "Changed by")
    return [Table("Not as it was sent", head, rows, (14, 24, 14, 14, 10, 14, 10))] if rows else []


def _about(plan: dict[str, Any]) -> str:
    return "About this undo" if plan.get("undoes") else "What this API does not carry, or does otherwise"


def _by_part(notes: Sequence[str]) -> list[list[Cell]]:
    parts = [note.partition(": ") for note in notes]
    return [[part, text] for part, _, text in parts]
