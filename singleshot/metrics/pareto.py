"""The Pareto front of accuracy and cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["pareto_front", "pareto_front_by_cost"]


def pareto_front(
    accuracies: Sequence[float | None], is_cheaper: Callable[[int, int], bool]
) -> list[bool]:
    """Mark the detectors on the Pareto front of accuracy and cost.

    A detector is dominated by another that is at least as accurate and not more expensive, and
    better in one of the two. `is_cheaper(i, j)` compares the costs of two detectors; where it is
    false both ways, as for timings that overlap, the costs count as equal. Such equality is not
    transitive, so that a detector may be dominated by one that is itself dominated. Detectors are
    therefore taken by falling accuracy, and only those already on the front dominate others: every
    detector off the front is dominated by one on it. A detector without a number is off the front.
    """
    known = [index for index, value in enumerate(accuracies) if value is not None]

    def order(index: int) -> tuple[float, int]:
        # Of equally accurate detectors the cheapest first.
        equals = [other for other in known if accuracies[other] == accuracies[index]]
        return -(accuracies[index] or 0.0), sum(is_cheaper(other, index) for other in equals)

    front: list[int] = []
    for index in sorted(known, key=order):
        dominated = any(
            not is_cheaper(index, rival)
            and (accuracies[rival] != accuracies[index] or is_cheaper(rival, index))
            for rival in front
        )
        if not dominated:
            front.append(index)
    return [index in front for index in range(len(accuracies))]


def pareto_front_by_cost(
    costs: Sequence[float | None], accuracies: Sequence[float | None]
) -> list[bool]:
    """Mark the detectors on the Pareto front by costs that are known exactly."""

    def is_cheaper(one: int, other: int) -> bool:
        own, others = costs[one], costs[other]
        return own is not None and others is not None and own < others

    pairs = zip(costs, accuracies, strict=True)
    return pareto_front([None if cost is None else value for cost, value in pairs], is_cheaper)
