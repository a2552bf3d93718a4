"""The sections of the report, in the order in which they are read, and how the text refers to them."""

# By the name of the section's method in AuditReport and cell in notebook 02. What a reader needs first comes first: is
# this the right report, what does it say, what is left to do. Calls and hashes come last: they say nothing of storage.
TITLES = {
    "cover": "",
    "verdict": "Verdict",
    "open_items": "Open items and exceptions",
    "who": "Who, what, when",
    "controls": "Controls",
    "frameworks": "Rules and frameworks",
    "bucket": "Bucket findings",
    "recordings": "Did the recordings arrive?",
    "changes": "What was changed",
    "still_so": "Is it still so?",
    "not_proven": "What is not proven",
    "appendix": "Appendix",
    "sign_off": "Sign-off",
}
_NUMBERED = list(TITLES)[1:-2]


def number(section: str) -> str:
    """The number of a section; the appendix has a letter, and the first and the last page have none.

    >>> number("verdict"), number("appendix"), number("cover")
    ('1', 'A', '')
    """
    if section == "appendix":
        return "A"
    return str(_NUMBERED.index(section) + 1) if section in _NUMBERED else ""


def reference(section: str) -> str:
    """As a text names it.

    >>> reference("bucket")
    'section 6'
    """
    return f"appendix {number(section)}" if section == "appendix" else f"section {number(section)}"
