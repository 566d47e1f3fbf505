import pytest
from pydantic import ValidationError

from singleshot.detectors.common.settings import PixelSettings, ResultSettings


@pytest.mark.parametrize(
    "change", [{"score_threshold": 1.5}, {"top_k": 0}, {"nms": "Hard"}, {"soft_sigma": 0}]
)
def test_numbers_of_results_have_limits(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        ResultSettings(**change)


def test_means_are_of_values_up_to_255():
    with pytest.raises(ValidationError):
        PixelSettings(mean=(300, 0, 0))
    assert PixelSettings(mean=(1, 2, 3)).std == (1, 1, 1)
