from collections.abc import Iterable
from typing import Any

from opslib.audit.as_html import block_html
from opslib.audit.sections.plan import WARNINGS, changes
from opslib.html import Html, text
from opslib.router.render import as_text

_WARN = '<span aria-hidden="true">⚠</span>'


def plan_html(plan: dict[str, Any]) -> Html:
    """Signs and words rather than colour. Without changes there is nothing unsafe."""
    tables = "".join(block_html(block).html for block in changes(plan, words=True))
    risks = (f"<strong>{text(risk['name'])}</strong>: {text(risk['why'])}" for risk in plan["unsafe"])
    unsafe = _listed(f"{_WARN} <strong>Unsafe, needs consent:</strong>", risks)
    warnings = _listed(f"{_WARN} <strong>{WARNINGS}:</strong>", map(text, plan.get("warnings", ())))
    about = "About this undo" if plan.get("undoes") else "What this API does otherwise"
    notes = _listed(f"<strong>{about}:</strong>", map(text, plan.get("notes", ())))
    return Html(tables + unsafe + warnings + notes, as_text(plan))


def _listed(lead: str, items: Iterable[str]) -> str:
    """A list below the line that leads to it; nothing when it is empty. All of it is HTML."""
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<p>{lead}</p><ul>{listed}</ul>" if listed else ""
