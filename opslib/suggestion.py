"""“Did you mean …?”: the known name that a mistyped one is closest to."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that follows the sentence on a wrong name; empty where no known name is close.

    >>> did_you_mean("basline", ["baseline", "cftc"])
    " Did you mean 'baseline'?"
    """
    return "".join(f" Did you mean {one!r}?" for one in get_close_matches(name, list(known), n=1))
