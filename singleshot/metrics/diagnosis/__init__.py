"""Analysis of errors: functions of arrays, like all metrics.

neighbours    truths that each detection overlaps, of its own class and of others
error_types   TIDE's type of each false positive and false negative
error_gains   gain of AP from fixing each kind of error
confusion     confusion matrix of the classes
calibration   scores against the share of true positives
slices        accuracy on parts of the objects and images
hardest       images with the most errors
suspects      annotations that are probably wrong
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
from singleshot.metrics.diagnosis.suspects import (
    MOST_SUSPECTS,
    Suspect,
    SuspectKind,
    find_suspects,
)
