"""What answers tell of a token's rate limit: so many requests in each window of time."""

from collections.abc import Mapping
from dataclasses import dataclass

from opslib.genesys.retry import MAX_RETRY_AFTER_S

# Another program may send so many more while one of our requests is under way than its share so far makes likely.
_MARGIN = 2
# Its share of so few requests means little.
_FEW = 20


@dataclass(frozen=True)
class RateLimit:
    """The `inin-ratelimit` headers: requests counted in this window, allowed in it, and whole seconds until it ends."""

    count: int
    allowed: int
    reset_s: int


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """What an answer says of its token's limit; None where it says nothing, or what cannot be."""
    texts = [headers.get(f"inin-ratelimit-{name}", "").strip() for name in ("count", "allowed", "reset")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return None
    told = RateLimit(*map(int, texts))
    return told if told.count and told.allowed and told.reset_s <= MAX_RETRY_AFTER_S else None


@dataclass
class Window:
    """The window that a token is in, as its answers tell. Times are the event loop's (s).

    Attributes:
        ends_after, ends_by: it ends between these. Each answer narrows them, as its seconds are whole.
        allowed: requests; infinite where the server does not tell.
        sent: requests of ours that it may have counted.
        used: the most that an answer counted; answers may overtake each other.
        others: requests of other programs that it counted, at least: as many as ours without an answer may hide.
        was_shared: whether it counted some in the window before.
        heard_at: when the last answer came.
        in_doubt: a request was refused since then, although there was room.
    """

    ends_after: float
    ends_by: float
    allowed: float
    heard_at: float
    sent: int = 0
    used: int = 0
    others: int = 0
    was_shared: bool = False
    in_doubt: bool = False

    def hear(self, told: RateLimit, ends_after: float, ends_by: float, now: float) -> None:
        """Take in an answer of this window."""
        self.ends_after, self.ends_by = max(self.ends_after, ends_after), min(self.ends_by, ends_by)
        if told.count >= self.used:
            self.used, self.allowed = told.count, told.allowed
        self.others = max(self.others, told.count - self.sent)
        self.heard_at, self.in_doubt = now, False

    def is_full(self, under_way: int = 0) -> bool:
        """Whether one more request could be refused, with so many under way that no answer has counted yet.

        Other programs send while ours are under way: in proportion to what they sent in this window so far.
        """
        ours = under_way + 1
        theirs = ours * self.others / max(self.sent, _FEW)
        margin = _MARGIN if under_way or self.others or self.was_shared else 0
        return self.used + ours + theirs + margin > self.allowed
