"""Whose rules to judge by."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from jaxtyping import Bool

from singleshot.metrics.columns import Truths

__all__ = ["Protocol"]


class Protocol(StrEnum):
    """Whose rules to judge by.

    Curves and operating points follow one rule, VOC's at one IoU threshold, whatever the protocol,
    so that they can be compared; the protocol decides about average precision and about which
    truths are ignored.
    """

    VOC07 = "voc07"  # average precision by 11 points
    VOC10 = "voc10"  # average precision by every point
    COCO = "coco"  # average precision over ten IoU thresholds, and eleven more numbers

    def ignores(self, truths: Truths) -> Bool[np.ndarray, " m"]:
        """Truths that reward and punish nobody.

        COCO knows only crowds. VOC knows only difficult objects; a crowd, having no box of its own
        to be found, is treated like one.
        """
        return truths.crowd if self is Protocol.COCO else truths.crowd | truths.difficult
