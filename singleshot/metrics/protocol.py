"""Protocols: the evaluation rules of PASCAL VOC 2007, VOC 2010 and COCO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64
from typing_extensions import assert_never

from singleshot.backports import StrEnum
from singleshot.metrics.average_precision import (
    eleven_points,
    every_point,
    hundred_one_points,
)
from singleshot.metrics.curves import Curve
from singleshot.metrics.detection_tables import Truths

__all__ = ["Protocol"]


class Protocol(StrEnum):
    """Evaluation rules.

    Curves and operating points follow one rule, VOC's at one IoU threshold, whatever the protocol,
    so that they can be compared; the protocol decides about average precision and about which
    truths are ignored.
    """

    VOC07 = "voc07"  # average precision by 11 points
    VOC10 = "voc10"  # average precision by every point
    COCO = "coco"  # average precision over ten IoU thresholds, and eleven more numbers

    def ignores(self, truths: Truths) -> Bool[np.ndarray, " m"]:
        """Mark the truths that count neither for nor against a detector.

        A crowd is a region rather than an object, by every rule. Difficult objects are VOC's; in
        COCO they are objects like any other.
        """
        return truths.crowd if self is Protocol.COCO else truths.crowd | truths.difficult

    def area(
        self, recall: Float64[np.ndarray, " n"], precision: Float64[np.ndarray, " n"]
    ) -> float:
        """Compute AP, the area under a curve by this protocol's rule, at one IoU threshold."""
        match self:
            case Protocol.VOC07:
                return eleven_points(recall, precision)
            case Protocol.VOC10:
                return every_point(recall, precision)
            case Protocol.COCO:
                return hundred_one_points(recall, precision)
            case _:
                assert_never(self)

    def average_precisions(self, curves: Sequence[Curve | None]) -> list[float | None]:
        """Compute the `area` under the curve of each class; None without truths."""
        return [None if one is None else self.area(one.recall, one.precision) for one in curves]
