"""Why a detector is wrong: functions of arrays, like all metrics.

error_types   what is wrong with each false alarm and each miss
error_gains   what fixing each kind of error would gain
confusion     what is taken for what
calibration   whether scores mean what they say
slices        which objects and pictures are hard
hardest       the worst pictures
suspects      annotations that are probably wrong
diagnosis     all of the above
"""

from singleshot.metrics.diagnosis.calibration import Calibration, ScoreBin
from singleshot.metrics.diagnosis.diagnosis import Diagnosis, diagnose
from singleshot.metrics.diagnosis.error_gains import ErrorGain, ErrorTotal
from singleshot.metrics.diagnosis.error_types import Errors, ErrorType
from singleshot.metrics.diagnosis.hardest import HardPicture
from singleshot.metrics.diagnosis.slices import Slice
from singleshot.metrics.diagnosis.suspects import Suspect, SuspectKind

__all__ = [
    "Calibration",
    "Diagnosis",
    "ErrorGain",
    "ErrorTotal",
    "ErrorType",
    "Errors",
    "HardPicture",
    "ScoreBin",
    "Slice",
    "Suspect",
    "SuspectKind",
    "diagnose",
]
