"""Admission of requests: API keys, and a rate for each client."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import ceil

from singleshot.serving.problems import Problem

__all__ = ["RateLimit", "require_key"]

MOST_CLIENTS = 10_000  # that are remembered; those longest without a request are forgotten


class RateLimit:
    """Token buckets: each client has as many requests at once as per second, at least one."""

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        """`rate` is in requests per second; 0: no limit."""
        self.rate, self._now = rate, now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and since

    def require_token(self, client: str) -> None:
        """Count a request; raises Problem for one too many."""
        if not self.rate:
            return
        now, most = self._now(), max(self.rate, 1.0)
        tokens, since = self._buckets.pop(client, (most, now))
        tokens = min(tokens + (now - since) * self.rate, most)
        self._buckets[client] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            seconds = max(ceil((1 - tokens) / self.rate), 1)
            raise Problem(
                429,
                "too many requests",
                place="client",
                value=f"more than {self.rate:g} requests per second",
                remedy=f"repeat the request in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )


def require_key(given: str | None, keys: Sequence[bytes]) -> None:
    """Raise Problem unless a key is among the known ones; takes as long for any wrong key."""
    if not keys:
        return
    # Digests have one length, which a comparison may give away.
    digest = sha256((given or "").encode()).digest()
    matches = [hmac.compare_digest(digest, sha256(key).digest()) for key in keys]
    if not any(matches):
        raise Problem(
            401,
            "wrong API key" if given else "missing API key",
            place="header Authorization",
            value="an unknown key" if given else "no key",
            remedy="send Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
