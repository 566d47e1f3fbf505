import pytest
from oracle.caffe_files import PROTOTXT

from singleshot.errors import ModelError
from singleshot.importers.caffe.detector import read_caffe
from singleshot.importers.caffe.heads import prior_shapes
from singleshot.importers.caffe.text import Message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share_location: true", "share_location: false", "share_location: false"),
        ("code_type: CENTER_SIZE", "code_type: CORNER", "code_type: CORNER"),
        ("code_type: CENTER_SIZE", "", "code_type: CORNER"),
        ("background_label_id: 0", "background_label_id: 2", "background_label_id: 2"),
        ("nms_threshold: 0.45", "eta: 0.9", "eta: 0.9"),
        ('type: "Softmax"', 'type: "Flatten"', "scores without a Softmax"),
        ('type: "DetectionOutput"', 'type: "Silence"', "0 DetectionOutput layers"),
        ("order: [0, 2, 3, 1]", "order: [0, 1, 2, 3]", "Permute 0, 2, 3, 1"),
        ("12 kernel_size: 3 pad: 1", "12 kernel_size: 3 pad: 0", "kernel_size 3 and pad 0"),
        ("min_size: 40 max_size: 60", "min_size: 40", "has 8 channels; .* need 4"),
        ("min_size: 40", "img_size: 300 min_size: 40", "image of"),
        ("num_classes: 3", "num_classes: three", "num_classes is not a number"),
        ('bottom: "loc" bottom: "conf_flat"', 'bottom: "loc"', "2 inputs"),
        ('bottom: "loc" bottom', 'bottom: "data" bottom', "a head whose input is the image"),
        ('bottom: "norm_loc_flat" bottom', "bottom", r"of \[1, 2, 2\] levels"),
        ("variance: 0.1 variance: 0.1 variance: 0.2", "variance: 0.1 variance: 0.2", "or four"),
        ("max_size: 30", "max_size: 30 max_size: 40", "2 max_size for 1 min_size"),
    ],
)
def test_a_head_that_cannot_be_expressed_is_named(files, old, new, message):
    assert old in PROTOTXT
    with pytest.raises(ModelError, match=message):
        read_caffe(files(PROTOTXT.replace(old, new, 1)) / "small.caffemodel")


def test_sizes_are_cut_and_known_ratios_left_out():
    box = Message("here", {"min_size": ["35.84", "10"], "max_size": ["76.8", "20"]})
    box.values["aspect_ratio"] = ["1", "4", "4", "0.25"]
    # √(35 · 76) = 51.58, not √(35.84 · 76.8) = 52.46.
    assert [(round(w, 2), round(h, 2)) for w, h in prior_shapes(box)] == [
        (35, 35),
        (51.58, 51.58),
        (70, 17.5),
        (17.5, 70),
        (10, 10),
        (14.14, 14.14),
        (20, 5),
        (5, 20),
    ]
