import pytest

from singleshot.errors import SingleshotError
from singleshot.tuning.options import TuningOptions


def test_the_command_names_every_option_that_differs_from_its_default():
    options = TuningOptions(
        ["cells"],
        trials=8,
        run="runs/search",
        overrides=["training.epochs=3"],
        search=["augmentation.flip=0.0,0.5"],
        timeout=5400.0,
        keep="log",
    )
    assert options.to_command("tune", "ssdlite320-lite0") == (
        "singleshot tune ssdlite320-lite0 --data cells --trials 8 --run runs/search "
        "--set training.epochs=3 --search augmentation.flip=0.0,0.5 --timeout 5400s --keep log"
    )


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"seed": -1}, {"prune_after": 0}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(SingleshotError):
        TuningOptions("cells", **{"trials": 1, **wrong})
