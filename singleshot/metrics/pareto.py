"""Which of several detectors nobody beats at both: the Pareto front of cost and worth."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["pareto_front"]


def pareto_front(costs: Sequence[float | None], worths: Sequence[float | None]) -> list[bool]:
    """Which are on the front: no other costs at most as much, is worth as much, and beats it in one.

    Where one of the two is unknown, nothing is on the front, and nothing is beaten.
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
