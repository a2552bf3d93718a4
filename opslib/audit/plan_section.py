"""A plan, as blocks of the report and of a card, from `opslib.router.plan.Plan` as JSON."""

from collections.abc import Sequence
from typing import Any

from opslib.audit.document import Block, Prose, Table
from opslib.router.render import NOTHING, heading, show


def changes(plan: dict[str, Any]) -> Sequence[Block]:
    """A table for each change, with a row for each field; a sentence when nothing is to change."""
    if not plan["changes"]:
        return [Prose(NOTHING)]
    return [
        Table(
            heading(change),
            ("Field", "Before", "After"),
            [[field["path"], show(field["before"]), show(field["after"])] for field in change["fields"]],
            (33, 33, 34),
        )
        for change in plan["changes"]
    ]


def blocks(plan: dict[str, Any]) -> Sequence[Block]:
    """The changes; below them what is unsafe, and what the API does not carry."""
    tables = [*changes(plan)]
    if not plan["changes"]:
        return tables
    if plan["unsafe"]:
        rows = [[risk["name"], risk["why"]] for risk in plan["unsafe"]]
        tables.append(Table("Unsafe, needs consent", ("Name", "What it means"), rows, (1, 3)))
    if notes := plan.get("notes"):
        parts = [note.partition(": ") for note in notes]
        rows = [[part, text] for part, _, text in parts]
        tables.append(Table("What this API does not carry, or does otherwise", ("Part", "What"), rows, (1, 3)))
    return tables
