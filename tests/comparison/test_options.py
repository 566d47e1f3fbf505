import pytest

from singleshot.comparison.options import ComparisonOptions, TutorialOptions
from singleshot.errors import SingleshotError


def test_the_command_names_every_option_that_differs_from_its_default():
    options = ComparisonOptions(
        ["cells", "more cells"], split="val", speed_images=5, published=True, report="page"
    )
    assert options.to_command("compare", "runs/a", "runs/b") == (
        "singleshot compare runs/a runs/b --data cells --data 'more cells' --split val "
        "--report page --speed-images 5 --published"
    )


def test_the_command_of_the_tutorial_names_runs_by_recipe():
    options = TutorialOptions("cells", systems=["ssd300-vgg16"])
    command = options.to_command("compare --tutorial", "ssd300-vgg16=runs/a")
    assert command == "singleshot compare --tutorial ssd300-vgg16=runs/a --data cells"


@pytest.mark.parametrize(
    "wrong", [{"iou_threshold": 0.0}, {"iou_threshold": 1.5}, {"speed_images": 0}]
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(SingleshotError):
        ComparisonOptions("cells", **wrong)
