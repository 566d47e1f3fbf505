"""Rates and keys."""

from __future__ import annotations

import pytest

from singleshot.serving.admission import MOST_CLIENTS, RateLimit, require_key
from singleshot.serving.problems import Problem


def test_each_client_has_a_rate_of_its_own():
    time = [0.0]
    limit = RateLimit(2.0, lambda: time[0])
    for _ in range(2):
        limit.require_token("a")
    with pytest.raises(Problem, match="more than 2 requests per second") as refused:
        limit.require_token("a")
    assert refused.value.headers == {"Retry-After": "1"}
    limit.require_token("b")
    time[0] = 0.5
    limit.require_token("a")


def test_less_than_one_request_per_second_is_a_rate():
    limit = RateLimit(0.1, lambda: 0.0)
    limit.require_token("a")
    with pytest.raises(Problem) as refused:
        limit.require_token("a")
    assert refused.value.headers == {"Retry-After": "10"}


def test_clients_are_forgotten_before_they_fill_the_memory():
    limit = RateLimit(1.0, lambda: 0.0)
    for number in range(MOST_CLIENTS + 100):
        limit.require_token(str(number))
    assert len(limit._buckets) == MOST_CLIENTS


def test_without_keys_none_is_needed():
    require_key(None, ())
    require_key("é" * 16, ["é".encode() * 16])
    with pytest.raises(Problem, match="an unknown key"):
        require_key("e" * 16, ["é".encode() * 16])
