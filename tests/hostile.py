"""Characters that a terminal, a page or a spreadsheet would obey, or that show nothing."""

from opslib.visible import visible_line

ACTS = (
    *"\x00\x07\x08\x0b\x0c\x1b\x1c\x7f\x85\x9b\x9d",  # controls, C1
    *"\u061c\u200b\u200c\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\ufeff\u00ad",  # direction, width, lines
    *"\u034f\u115f\u2800\u3164\ufe0f\uffa0\U000e0001\U000e0020\U000e0101",  # blanks and tags
    *"\ue000\U0010fffe\udfff\ud800",  # private, unassigned, halves of a pair
)
WIPE = "\x1b[2J\x1b[1;1Hintact: all is well\r\nintact: \u202e\u200b\x9b2K"
"""What would wipe a screen and write something else on it."""


def acting(text: str) -> str:
    """The characters of one line that act."""
    return "".join(one for one in text if visible_line(one) != one)
