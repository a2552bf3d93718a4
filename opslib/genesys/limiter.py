"""When the next request of a token may go, by the answers so far. Times are the event loop's (s)."""

import math
from dataclasses import dataclass

import httpx

from opslib.genesys.rate_limit import RateLimit, Window, rate_limit

# Requests under way at once. More would only queue for a connection, where none can go before another.
AT_ONCE = 20
# What other programs used of a limit is known for so long after an answer.
_KNOWN_FOR_S = 1.0
# A scout without an answer for so long is followed by another one.
_SCOUT_WITHIN_S = 2.0

# For servers that say no more than 429. Genesys's documented 300 requests a minute, as far as no answer knows better.
_PACE_PER_S = 5.0
_FASTER, _SLOWER = 1.01, 0.7
_BACKOFF_S, _MAX_BACKOFF_S = 0.5, 16.0


@dataclass(eq=False)
class Attempt:
    """A request under way: the first of a token has number 1.

    `is_accounted`: whether it is known how often the server counted it, as an answer told or as it was never sent.
    """

    number: int
    sent_at: float
    is_accounted: bool = False


class Limiter:
    """Knows how much room a token's limit has.

    Where answers have the `inin-ratelimit` headers, room is what the window allows, less what it counted and what is
    under way. Once the window is over, one request (the scout) goes ahead and the others wait for its answer.
    Without these headers there is room until a 429. From then on requests have a pace: each answer makes it faster, and
    each refusal slower.

    Attributes:
        attempts: requests let through.
        rate_limited: answers with 429.
        under_way: requests without an answer as yet.
        window: None while it is not known.
        shut_until, shut_by: when a 429 lets the next request go, and that answer.
    """

    def __init__(self) -> None:
        self.attempts = 0
        self.rate_limited = 0
        self.under_way: set[Attempt] = set()
        self.window: Window | None = None
        self.shut_until = 0.0
        self.shut_by: httpx.Response | None = None
        self._scout: Attempt | None = None
        # Requests that the server may have counted without telling: after how many attempts, for each.
        self._lost: list[int] = []
        # 1 s for a server that rounds the seconds to a window's end down.
        self._rounding_s = 0.0
        self._pace_per_s: float | None = None
        self._paced_until = 0.0
        self._backoff_s = _BACKOFF_S
        self._refused_at = 0.0

    def opens_at(self, now: float) -> float:
        """When the next request may go; infinite while only an answer can tell."""
        if len(self.under_way) >= AT_ONCE:
            return math.inf
        if (at := max(self.shut_until, self._paced_until)) > now:
            return at
        window = self._window_at(now)
        if window and window.is_full(len(self._lost)):
            return window.ends_by
        if window is None or self._is_old_news(window, now):
            return self._scout.sent_at + _SCOUT_WITHIN_S if self._scout else now
        return window.ends_by if window.is_full(len(self.under_way) + len(self._lost)) else now

    def start(self, now: float) -> Attempt:
        """Let a request through."""
        self.attempts += 1
        attempt = Attempt(self.attempts, now)
        self.under_way.add(attempt)
        if window := self._window_at(now):
            window.sent += 1
        if window is None or self._is_old_news(window, now):
            self._scout = attempt
        if self._pace_per_s:
            self._paced_until = now + 1 / self._pace_per_s
        return attempt

    def end(self, attempt: Attempt) -> None:
        """Its place is free again, however it ended."""
        self.under_way.discard(attempt)
        if attempt is self._scout:
            self._scout = None
        if not attempt.is_accounted and not self._is_silent():
            self._lost.append(self.attempts)

    def hear(self, attempt: Attempt, response: httpx.Response, asked_to_wait_s: float, now: float) -> None:
        """Learn from an answer."""
        told = rate_limit(response.headers)
        if told:
            self._learn(attempt, told, now)
        if response.status_code == 429:
            self.rate_limited += 1
            self._refused(attempt, told, response, asked_to_wait_s, now)
            return
        self._backoff_s = _BACKOFF_S
        if self._pace_per_s:
            self._pace_per_s *= _FASTER
        if not told and response.status_code < 500 and self._window_at(now) is None:
            self.window, self._lost = Window(-math.inf, math.inf, allowed=math.inf, heard_at=now), []

    def _learn(self, attempt: Attempt, told: RateLimit, now: float) -> None:
        attempt.is_accounted = True
        self._pace_per_s, self._paced_until = None, 0.0
        self._lost = [attempts for attempts in self._lost if attempts >= attempt.number]
        ends_after, ends_by = attempt.sent_at + told.reset_s - 1, now + told.reset_s + self._rounding_s
        window = self.window
        if window and ends_by < window.ends_after:
            return  # overtaken by answers of the next window
        if window is None or self._is_silent() or ends_after >= window.ends_by:
            was_shared = window is not None and window.others > 0
            window = Window(ends_after, ends_by, told.allowed, now, sent=len(self.under_way), was_shared=was_shared)
            self.window = window
        elif attempt.sent_at >= window.ends_by:  # the window goes on, although its seconds were over
            self._rounding_s = 1.0
            window.ends_by = ends_by = ends_by + 1
        window.hear(told, ends_after, ends_by, now)

    def _refused(
        self, attempt: Attempt, told: RateLimit | None, response: httpx.Response, asked_to_wait_s: float, now: float
    ) -> None:
        wait_s = asked_to_wait_s
        if told is None and attempt.sent_at >= self._refused_at:  # else it was under way with one that was refused
            self._refused_at = now
            wait_s = wait_s or self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, _MAX_BACKOFF_S)
            if self._is_silent():
                self._pace_per_s = self._pace_per_s * _SLOWER if self._pace_per_s else _PACE_PER_S
                self.window = None
            elif self.window:
                self.window.in_doubt = True
        if now + wait_s > self.shut_until:
            self.shut_until, self.shut_by = now + wait_s, response

    def _is_silent(self) -> bool:
        """Whether the server does not tell its limit."""
        return self.window is not None and math.isinf(self.window.allowed)

    def _window_at(self, now: float) -> Window | None:
        return self.window if self.window and now < self.window.ends_by else None

    def _is_old_news(self, window: Window, now: float) -> bool:
        """Whether the window may have been used up meanwhile."""
        return window.in_doubt or (bool(window.others or self._lost) and now >= window.heard_at + _KNOWN_FOR_S)
