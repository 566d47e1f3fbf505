"""UltraFace imported from PyTorch against its authors' own export to ONNX."""

import numpy as np
import pytest
import torch

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.data.image_files.decoding import read_image
from singleshot.detectors.common.box_coding import decode
from singleshot.importers.ultraface import read_ultraface

ort = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def pair(shared):
    folder = shared / "weights" / "ultraface"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    quiet = ort.SessionOptions()
    quiet.log_severity_level = 3  # it warns of how the file was exported
    theirs = ort.InferenceSession(str(folder / "version-RFB-320.onnx"), quiet)
    ours = detector_from(read_ultraface(folder / "version-RFB-320.pth"), "RFB")
    return ours, theirs


def test_scores_and_boxes_agree_on_real_images(pair, shared):
    ours, theirs = pair
    images = sorted((shared / "data" / "dlib_faces").glob("*.jpg"))
    assert len(images) == 12
    for path in images:
        pixels = ours.resize_images([read_image(path)])
        (name,) = (feed.name for feed in theirs.get_inputs())
        scores, boxes = theirs.run(None, {name: (pixels.numpy() - 127) / 128})
        with torch.no_grad():
            offsets, logits = ours(pixels)
        assert scores.shape == (1, 4420, 2)
        found = decode(offsets, ours.priors_cxcywh_unit, (0.1, 0.2))
        np.testing.assert_allclose(logits.softmax(dim=-1), scores, atol=1e-5)
        np.testing.assert_allclose(found, boxes, atol=1e-5)
