"""Objects that a notebook shows as a widget and keeps as a receipt."""

from typing import Any

import ipywidgets as w

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def mimebundle(widget: w.Widget, html: str, plain: str) -> dict[str, Any]:
    """The widget for a live notebook, and what a reader sees without a kernel."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"text/plain": plain, "text/html": html, WIDGET_VIEW: view}
