"""Which of several detectors nobody beats at both: the Pareto front of cost and worth.

A detector is beaten by another that is worth no less, does not cost more, and is better in either.
Costs that were measured, as times are, may not suffice to tell two apart; who costs less is
therefore asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["front_of", "pareto_front"]


def pareto_front(costs: Sequence[float | None], worths: Sequence[float | None]) -> list[bool]:
    """Which are on the front, by costs that are known exactly.

    One of which a number is unknown is not on the front, and beats nobody.
    """

    def is_cheaper(one: int, other: int) -> bool:
        own, others = costs[one], costs[other]
        return own is not None and others is not None and own < others

    known = [None if cost is None else worth for cost, worth in zip(costs, worths, strict=True)]
    return front_of(known, is_cheaper)


def front_of(worths: Sequence[float | None], is_cheaper: Callable[[int, int], bool]) -> list[bool]:
    """Which are on the front; `is_cheaper` is asked whether the first place costs less."""

    def is_beaten(place: int, worth: float) -> bool:
        return any(
            other is not None
            and other >= worth
            and not is_cheaper(place, rival)
            and (other > worth or is_cheaper(rival, place))
            for rival, other in enumerate(worths)
        )

    return [worth is not None and not is_beaten(place, worth) for place, worth in enumerate(worths)]
