import numpy as np
from PIL import Image

from singleshot.drawing import LabelledOutline, draw_outlines
from singleshot.drawing.outlines import arrow_points

WHITE = (255, 255, 255)
GREY = (120, 120, 120)


def canvas():
    return Image.new("RGB", (640, 480), GREY)


def test_lines_join_their_points_and_polygons_close():
    line = draw_outlines(canvas(), [LabelledOutline([(100, 300), (500, 300)], "door")])
    assert line.getpixel((450, 300)) == WHITE
    assert line.getpixel((550, 300)) == GREY
    zone = draw_outlines(
        canvas(), [LabelledOutline([(100, 100), (500, 100), (500, 400)], "", closed=True)]
    )
    assert zone.getpixel((300, 250)) == WHITE  # on the side from the last point to the first


def test_the_arrow_points_to_the_left_of_the_line():
    [[middle, tip], *_] = arrow_points([(0, 100), (200, 100)], 10)
    assert middle == (100, 100)
    np.testing.assert_allclose(tip, (100, 80), atol=1e-9)
    [[_, down], *_] = arrow_points([(200, 100), (0, 100)], 10)
    np.testing.assert_allclose(down, (100, 120), atol=1e-9)


def test_a_text_stays_within_the_image():
    before = canvas()
    outside = draw_outlines(before, [LabelledOutline([(700, 900), (900, 900)], "in 3, out 1")])
    assert outside is before
    assert (np.asarray(outside.crop((500, 400, 640, 480))) == WHITE).all(axis=2).any()
