"""`resizing.js` against the same in NumPy, number by number."""

import numpy as np
import pytest

from singleshot.runtimes.standalone.resizing import resize, to_input
from tests.browser.node import run_in_node

# Height, width of the image, then of the result: smaller, larger, both, one pixel, equal.
SIZES = (
    ((37, 53), (16, 16)),
    ((9, 7), (32, 24)),
    ((500, 8), (20, 20)),
    ((1, 1), (3, 2)),
    ((12, 12), (12, 12)),
    ((213, 160), (300, 300)),
)
RESIZE = """
import { resize } from "${sources}/resizing.js";
const image = { ...document, data: Uint8ClampedArray.from(document.data) };
result = Array.from(resize(image, document.size, document.how));
"""
TO_INPUT = """
import { toInput } from "${sources}/resizing.js";
result = Array.from(toInput(Float32Array.from(document.resized), document.description));
"""


@pytest.mark.parametrize("how", ["antialias", "opencv", "torchvision", "tensorflow1", "darknet"])
@pytest.mark.parametrize(("size", "target"), SIZES)
def test_resizing_makes_the_numbers_of_numpy(
    how: str, size: tuple[int, int], target: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 4), np.uint8)
    document = {
        "data": image.ravel().tolist(),
        "height": size[0],
        "width": size[1],
        "size": target,
        "how": how,
    }
    resized = np.array(run_in_node(RESIZE, document), np.float32).reshape(*target, 3)
    np.testing.assert_array_equal(resized, resize(image[..., :3].copy(), target, how))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_input_is_normalised_and_laid_out_as_in_numpy(layout: str, dtype: str) -> None:
    scales = {"mean": [123.0, 117.0, 104.0], "std": [58.0, 57.0, 57.5]}
    if dtype == "uint8":
        scales = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    description = {**scales, "layout": layout, "dtype": dtype}
    # Halves too, which round to the even number.
    resized = np.random.default_rng(0).integers(0, 510, (4, 6, 3)).astype(np.float32) / 2
    document = {"resized": resized.ravel().tolist(), "description": description}
    values = np.array(run_in_node(TO_INPUT, document), dtype)
    np.testing.assert_array_equal(values, to_input([resized], description).ravel())
