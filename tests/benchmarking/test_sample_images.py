from singleshot.benchmarking.sample_images import draw_sample_images
from singleshot.data.image_files.decoding import image_size


def test_sample_images_are_the_same_each_time(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (draw_sample_images(tmp_path / name, 2, (375, 500)) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert image_size(one) == (375, 500)
