"""Makes text from outside visible: what a terminal, a page or a spreadsheet would obey is written as its code point.

A name from the server, an answer of AWS or an entry of a foreign ledger may hold escape sequences that wipe the screen,
marks that turn the direction of writing, or line breaks that begin a line of ours. Known secrets are hidden as well.
"""

import json
import re
import unicodedata

from opslib.redact import redact

# Control characters, marks that turn the direction of writing, private and unassigned characters, lone surrogates, and
# separators of lines and paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing (Unicode's Default_Ignorable_Code_Point outside Cf), and the blank Braille cell.
_BLANK = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# A spreadsheet takes a cell that begins with one of these for a formula, also of the wide ones of East Asia.
_FORMULA = tuple("=+-@＝＋－＠")
_BREAKS = re.compile(r"[ \t\r\n]+")


def visible(value: object) -> str:
    """A value as one line, with a space for each run of blanks and line breaks; a bell is shown as `U+0007`."""
    return _shown(_BREAKS.sub(" ", redact(str(value))).strip(" "))


def visible_line(value: object) -> str:
    """A value as one line, with its spaces as they are. A line break is shown, since it would begin a line of ours."""
    return _shown(redact(str(value)))


def visible_text(value: object) -> str:
    """A text of ours, with its lines and tabs as they are."""
    return _shown(redact(str(value)).replace("\r\n", "\n"), keep="\n\t")


def visible_cell(value: object) -> object:
    """A value of a CSV: text is made visible, and cannot be a formula."""
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def visible_json(value: object, *, ascii_only: bool = False, **layout: object) -> str:
    """JSON that reads back to the same value; what cannot be seen is written as JSON's own escape.

    `layout` is for `json.dumps`. Known secrets are hidden.
    """
    text = redact(json.dumps(value, ensure_ascii=ascii_only, **layout))  # type: ignore[arg-type]
    # json.dumps breaks lines between values only, so a line break is never part of a text.
    return "".join(_json_escape(char) if _hides(char) and char != "\n" else char for char in text)


def _shown(text: str, keep: str = "") -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"U+{ord(char):04X}" if _hides(char) and char not in keep else char for char in text)


def _hides(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN or bool(_BLANK.match(char))


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
