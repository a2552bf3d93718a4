"""The verdicts of findings, of answers about a machine or an org, and of controls: one type with one spelling."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["PASS", "FAIL", "WARN", "UNKNOWN", "not_checked"]

TO_MEND: tuple[Verdict, ...] = ("FAIL", "UNKNOWN", "WARN")
"""Those that somebody has to look at, worst first."""

WORST_FIRST: tuple[Verdict, ...] = (*TO_MEND, "PASS", "not_checked")
"""The order in which people need them; `not_checked` says nothing for or against."""

ICONS: dict[Verdict, str] = {"PASS": "✔", "FAIL": "✖", "WARN": "⚠", "UNKNOWN": "?", "not_checked": "–"}


def in_words(verdict: Verdict) -> str:
    """A verdict as people read it.

    >>> in_words("not_checked")
    'not checked'
    """
    return verdict.replace("_", " ")


@dataclass(frozen=True)
class Readiness:
    """One answer to whether a machine, an org or a feed is ready. `fix` is empty when nothing is to be done."""

    question: str
    word: Verdict
    found: str
    fix: str = ""
