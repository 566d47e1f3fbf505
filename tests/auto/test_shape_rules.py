"""Rules of the input and the levels, at the points where they change."""

# Tests singleshot/auto/task.py

from dataclasses import replace

import numpy as np
import pytest
from tasks import start, task

from singleshot.auto.shape_rules import choose_cache_side, choose_input, choose_levels
from singleshot.recipes.load import load_recipe


def pixels(choice):
    height, width = choice.value
    return height * width


@pytest.mark.parametrize(
    ("size", "ratio"), [((480, 640), 4 / 3), ((720, 1280), 16 / 9), ((640, 480), 3 / 4)]
)
def test_the_input_has_the_shape_of_the_images_and_the_recipes_pixels(size, ratio):
    squares = np.full(100, 1 / ratio)  # in the image
    choice = choose_input(task(image_sizes=np.tile(size, (9, 1)), ratios=squares))
    height, width = choice.value
    assert height % 32 == width % 32 == 0
    assert width / height == pytest.approx(ratio, rel=0.1)
    assert pixels(choice) == pytest.approx(320 * 320, rel=0.15)


def test_long_objects_take_an_input_nearer_to_a_square():
    # Three times as wide as high in images of 2 : 1 is 1.5 : 1 in a square.
    wide = choose_input(task(image_sizes=np.tile([400, 800], (9, 1)), ratios=np.full(100, 1.5)))
    assert wide.value == [320, 320]
    assert "half of the objects are below 1.50 : 1 instead of 3.00 : 1" in wide.reason
    # Half as wide as high is nearest to square where the input is widest.
    tall = choose_input(task(image_sizes=np.tile([400, 800], (9, 1)), ratios=np.full(100, 0.25)))
    assert tall.value == [224, 448]


def test_small_objects_take_a_larger_input():
    # Sixteen pixels of a fortieth are 640 pixels of side; of a 32nd 512.
    larger = choose_input(task(sides=np.full(100, 1 / 32)))
    assert pixels(larger) == pytest.approx(512 * 512, rel=0.1)
    assert "below 16 pixels, in 320 x 320 it would be below 10, less than 16" in larger.reason
    most = choose_input(task(sides=np.full(100, 1 / 100)))
    assert pixels(most) == pytest.approx(640 * 640, rel=0.1)
    assert "they would need about 1600 x 1600, but larger is seldom worth" in most.reason


def test_the_input_is_hardly_larger_than_the_images():
    sizes = np.tile([120, 160], (9, 1))
    choice = choose_input(task(sides=np.full(100, 1 / 32), image_sizes=sizes))
    assert pixels(choice) == pytest.approx(1.5 * 120 * 160, rel=0.15)
    assert "the images have no more pixels (160 x 120)" in choice.reason


def test_with_time_for_it_objects_of_any_size_take_a_larger_input():
    # 900 steps of 8 images at 448 x 448 take 900 · 0.28 s · 1.96 / 0.8 = 617 s.
    choice = choose_input(task(seconds=640.0))
    assert pixels(choice) == pytest.approx(448 * 448, rel=0.1)
    assert "time for more pixels than the usual 320 x 320" in choice.reason
    fewer = choose_input(task(seconds=470.0))
    assert pixels(fewer) == pytest.approx(470 / 617 * 448 * 448, rel=0.1)
    assert "a larger one would leave too few steps" in fewer.reason
    tiny = choose_input(task(seconds=640.0, image_sizes=np.tile([240, 320], (9, 1))))
    assert pixels(tiny) == pytest.approx(1.5 * 240 * 320, rel=0.15)


def test_a_short_budget_takes_a_smaller_input_and_more_cores_a_larger_one():
    small = np.full(100, 1 / 40)  # 8 pixels of 320: half of the usual number of steps is enough
    # 450 steps of 8 images in four fifths of the time: at 280 ms for 320 x 320, 157.5 s.
    choice = choose_input(task(seconds=157.5, sides=small))
    assert pixels(choice) == pytest.approx(320 * 320, rel=0.15)
    assert "a larger one would leave too few steps in 2.62 minutes on 2 cores" in choice.reason
    assert pixels(choose_input(task(seconds=157.5, sides=small, cores=4))) > 1.8 * 320 * 320
    assert pixels(choose_input(task(seconds=40.0, sides=small))) == 192 * 256  # about 224 x 224


def test_larger_batches_leave_fewer_steps_and_so_a_smaller_input():
    small = np.full(100, 1 / 40)
    sixteen = task(seconds=315.0, sides=small, given={"training.batch_size": 16})
    assert choose_input(sixteen).value == choose_input(task(seconds=157.5, sides=small)).value
    assert pixels(choose_input(task(seconds=315.0, sides=small))) > pixels(choose_input(sixteen))


def test_larger_objects_ask_for_more_steps_before_a_larger_input():
    def side_at(seconds):
        # 12 pixels of 320: three quarters of 900 steps.
        return pixels(choose_input(task(seconds=seconds, sides=np.full(100, 12 / 320)))) ** 0.5

    assert side_at(157.5) == pytest.approx(320, rel=0.05)  # 450 steps
    assert side_at(236.0) == pytest.approx(320, rel=0.05)  # 675
    assert side_at(450.0) > 400


def test_a_start_keeps_its_input_unless_a_limit_is_smaller():
    begun = task(start=start(knows_classes=True), sides=np.full(100, 1 / 40), seconds=1200.0)
    assert choose_input(begun).value == [320, 320]
    limited = choose_input(replace(begun, most_pixels=60_000, limited_by="--max-gmac 0.4"))
    assert 45_000 < pixels(limited) <= 60_000
    assert limited.reason.startswith("--max-gmac 0.4 allows no more, although runs/coco")


def test_a_start_that_learns_new_classes_has_an_input_as_large_as_450_steps_allow():
    choice = choose_input(task(start=start(), seconds=240.0))
    assert choice.reason.startswith(
        "not that of runs/coco, as it learns new classes, but the shape"
    )
    # 685 steps at 320 x 320 in four minutes.
    assert pixels(choice) == pytest.approx(685 / 450 * 320 * 320, rel=0.1)
    assert pixels(choice) > 1.3 * pixels(choose_input(task(seconds=240.0)))
    other = task(start=start(like_base=False), seconds=240.0)
    assert choose_input(other).value == [320, 320]
    large = start(model=load_recipe("ssdlite320-lite0", {"model.input": [480, 480]}).model)
    as_large = choose_input(task(start=large))
    assert pixels(as_large) > 0.9 * 480 * 480
    assert as_large.reason.endswith("as many pixels as before")


@pytest.mark.parametrize(("part", "strides"), [(0.2, [8, 16, 32]), (0.3, [4, 8, 16, 32])])
def test_a_level_of_stride_4_comes_with_many_tiny_objects(part, strides):
    sides = np.where(np.arange(100) < 100 * part, 19 / 320, 21 / 320)
    choice, found = choose_levels(task(sides=sides), (320, 320))
    assert choice.value == found == strides
    assert choice.reason.startswith(f"{part:.0%} of the objects are below 20 pixels")


@pytest.mark.parametrize(
    ("size", "input", "side"),
    [
        # Twice the input's 320 rows are 640; its 416 columns would need 624 of the 3000 rows.
        ((3000, 4000), (320, 416), 640),
        ((4000, 3000), (416, 320), 640),
        # A square input takes the rows of wide images: twice 384 is 768 of the 2160.
        ((2160, 3840), (384, 384), 768),
        ((1152, 1152), (384, 384), 768),
        ((1150, 1152), (384, 384), 0),
        ((480, 640), (320, 416), 0),
    ],
)
def test_images_much_larger_than_the_input_are_cached_at_twice_the_input(size, input, side):
    choices = choose_cache_side(task(image_sizes=np.tile(size, (9, 1))), input)
    assert [(choice.key, choice.value) for choice in choices] == (
        [("training.cache_side", side)] if side else []
    )


def test_nine_of_ten_images_keep_twice_the_input_whatever_their_shape():
    sizes = np.repeat([[3000, 4000], [4000, 3000]], [70, 30], axis=0)
    # Images that are 3000 wide need twice the input's 416 columns.
    (choice,) = choose_cache_side(task(image_sizes=sizes), (320, 416))
    assert choice.value == 832
    assert choice.reason.startswith("the shorter side of larger images, 100% of all, is shrunk to")


@pytest.mark.parametrize(("num_large", "side"), [(45, 640), (10, 640), (2, 0)])
def test_large_images_among_small_ones_are_shrunk_where_they_have_most_of_the_pixels(
    num_large, side
):
    mixed = np.repeat([[3000, 4000], [480, 640]], [num_large, 100 - num_large], axis=0)
    choices = choose_cache_side(task(image_sizes=mixed), (320, 416))
    assert [choice.value for choice in choices] == ([side] if side else [])
    if num_large == 10:
        # 12 megapixels become 0.55: 1.2 + 0.276 against 0.055 + 0.276.
        assert "larger images, 10% of all, is shrunk to 640 pixels" in choices[0].reason
        assert "; 22% of all pixels are left, which takes" in choices[0].reason
