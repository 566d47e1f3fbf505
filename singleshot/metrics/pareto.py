"""Which of several detectors nobody beats at both: the Pareto front of cost and worth."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["pareto_front"]


def pareto_front(costs: Sequence[float | None], worths: Sequence[float | None]) -> list[bool]:
    """Which are on the front: none that costs no more and is worth no less is better in either.

    One of which a number is unknown is not on the front, and beats nobody.
    """
    known = [
        (cost, worth)
        for cost, worth in zip(costs, worths, strict=True)
        if cost is not None and worth is not None
    ]
    return [
        cost is not None
        and worth is not None
        and not any(
            other_cost <= cost
            and other_worth >= worth
            and (other_cost, other_worth) != (cost, worth)
            for other_cost, other_worth in known
        )
        for cost, worth in zip(costs, worths, strict=True)
    ]
