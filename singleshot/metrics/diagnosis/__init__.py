"""Why a detector is wrong: functions of arrays, like all metrics.

neighbours    what each detection overlaps, of its own class and of others
error_types   what is wrong with each false positive and each miss
error_gains   what fixing each kind of error would gain
confusion     what is taken for what
calibration   whether scores mean what they say
slices        which objects and images are hard
hardest       the worst images
suspects      annotations that are probably wrong
verdicts      what is right and wrong about each detection
diagnosis     all of the above
"""

from singleshot.metrics.diagnosis.calibration import (
    SCORE_FLOOR,
    Calibration,
    ScoreBin,
    apply_temperature,
    calibrate,
    fit_temperature,
)
from singleshot.metrics.diagnosis.confusion import confusion_matrix
from singleshot.metrics.diagnosis.diagnosis import Diagnosis, diagnose
from singleshot.metrics.diagnosis.error_gains import ErrorGain, ErrorTotal, error_gains
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType, find_errors
from singleshot.metrics.diagnosis.hardest import HardImage, find_hardest
from singleshot.metrics.diagnosis.slices import Slice, find_slices
from singleshot.metrics.diagnosis.suspects import Suspect, SuspectKind, find_suspects

__all__ = [
    "SCORE_FLOOR",
    "Calibration",
    "Diagnosis",
    "ErrorGain",
    "ErrorTotal",
    "ErrorType",
    "Errors",
    "HardImage",
    "ScoreBin",
    "Slice",
    "Suspect",
    "SuspectKind",
    "apply_temperature",
    "calibrate",
    "confusion_matrix",
    "diagnose",
    "error_gains",
    "find_errors",
    "find_hardest",
    "find_slices",
    "find_suspects",
    "fit_temperature",
]
