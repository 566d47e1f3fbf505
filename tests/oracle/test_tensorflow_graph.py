"""TensorFlow's SSDLite run by its graph, and ours that was imported from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle.tensorflow_graph import run
from PIL import Image
from torchvision.ops import batched_nms

from singleshot.checkpoints.checkpoint import detector_from
from singleshot.importers.class_names import class_columns
from singleshot.importers.tensorflow import read_tensorflow


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "weights" / "ssdlite_mnv2_coco_tfjs"


@pytest.fixture(scope="module")
def images(shared):
    files = sorted((shared / "data" / "tiny_coco" / "val2017").glob("*.jpg"))[:6]
    return [
        torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1)
        for file in files
    ]


def literal_detections(folder, image):
    """Boxes in pixels, scores and labels of the graph, after NMS as in its training."""
    columns = torch.tensor(class_columns(91, folder).used)
    outputs = ("Postprocessor/Slice", "Postprocessor/ExpandDims_1")
    scores, boxes = run(folder, image.permute(1, 2, 0), *outputs)
    scores, boxes = scores[0][:, columns - 1], boxes.reshape(-1, 4)[:, [1, 0, 3, 2]]
    prior, label = (scores > 0.01).nonzero(as_tuple=True)
    boxes, scores = boxes[prior], scores[prior, label]
    best = batched_nms(boxes, scores, label, 0.6)[:100]
    height, width = image.shape[1:]
    sides = torch.tensor([width, height, width, height])
    return (boxes[best].clamp(0, 1) * sides), scores[best], label[best]


def with_the_graphs_habits(checkpoint):
    """Import the graph; it resizes by itself, and limits only the results of NMS."""
    model = checkpoint.recipe.model
    results = model.results.model_copy(update={"top_k": 1917})
    changed = model.model_copy(update={"resize": "tensorflow1", "results": results})
    recipe = checkpoint.recipe.model_copy(update={"model": changed})
    return detector_from(replace(checkpoint, recipe=recipe), source="the graph")


def test_detections_agree(folder, images):
    detector = with_the_graphs_habits(read_tensorflow(folder))
    for image, found in zip(images, detector.detect(images), strict=True):
        boxes, scores, labels = literal_detections(folder, image)
        assert len(found) == len(boxes) > 50
        torch.testing.assert_close(found.scores, scores, atol=1e-5, rtol=0)
        # Nearly equal scores may change places.
        apart = (found.boxes[:, None] - boxes).abs().amax(dim=2)
        same = (found.labels[:, None] == labels) & (apart < 0.01)
        assert same.any(dim=1).all()
        assert same.any(dim=0).all()
