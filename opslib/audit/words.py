"""Small forms of the report's sentences."""

from collections.abc import Sequence
from datetime import datetime


def sentence(text: str) -> str:
    """With a capital letter and a full stop.

    >>> sentence("the key signed it")
    'The key signed it.'
    """
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def counted(number: int, what: str) -> str:
    """
    >>> counted(1, "operation"), counted(2, "policy")
    ('1 operation', '2 policies')
    """
    many = f"{what[:-1]}ies" if what.endswith("cy") else f"{what}es" if what.endswith("x") else f"{what}s"
    return f"{number:,} {what if number == 1 else many}"


def key_words(key: str) -> str:
    """A key's short name, in groups that people can compare.

    >>> key_words("7c01531742bea684")
    '7c01 5317 42be a684'
    """
    return " ".join(key[at : at + 4] for at in range(0, len(key), 4))


def listed(texts: Sequence[str], last: str = " and ") -> str:
    """
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return last.join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def some(texts: Sequence[str], at_most: int) -> str:
    """The first ones, and how many more there are.

    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    rest = len(texts) - at_most
    return f"{', '.join(texts[:at_most])} and {rest} more" if rest > 0 else listed(texts)


def moment_words(at: str) -> str:
    """A moment as people read it.

    >>> moment_words("2026-11-24T14:02:03.000Z")
    '24 Nov 2026, 14:02 UTC'
    """
    return f"{datetime.fromisoformat(at):%d %b %Y, %H:%M} UTC"
