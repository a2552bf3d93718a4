from typing import Literal

from opslib.walk.state_machine import State

CardState = State | Literal["cancelled"]

ICONS: dict[CardState, str] = {
    "waiting": "…",
    "ready": "○",
    "running": "▶",
    "done": "✔",
    "failed": "✖",
    "unknown": "?",
    "stale": "↻",
    "cancelled": "⊘",
}
# Colour only decorates: the icon and the word say the same.
QUIET = "var(--jp-border-color1, #8a8a8a)"
COLOURS: dict[CardState, str] = {
    "waiting": QUIET,
    "ready": QUIET,
    "running": QUIET,
    "done": "var(--jp-success-color1, #388e3c)",
    "failed": "var(--jp-error-color1, #d32f2f)",
    "unknown": "var(--jp-warn-color1, #f57c00)",
    "stale": "var(--jp-warn-color1, #f57c00)",
    "cancelled": "var(--jp-warn-color1, #f57c00)",
}


def icon_and_word(state: CardState) -> str:
    return f'<span aria-hidden="true">{ICONS[state]}</span> <strong>{state}</strong>'
