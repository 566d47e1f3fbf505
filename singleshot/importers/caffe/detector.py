"""Detectors of Caffe's SSD: a prototxt and a caffemodel, of any network.

Batch norms are folded into convolutions, and the first convolution's channels are reversed, so that
the network's input is RGB. The format is that of weiliu89/caffe, branch ssd.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from singleshot.backbones.backbone import grids
from singleshot.backbones.caffe_weights import CaffeWeights, Transform, read_caffemodel
from singleshot.backbones.graph import GraphBackbone
from singleshot.backbones.settings import GraphSettings
from singleshot.checkpoints.checkpoint import Checkpoint
from singleshot.detectors.ssd.network import Ssd
from singleshot.detectors.ssd.settings import SsdSettings
from singleshot.errors import ModelError
from singleshot.files import hash_file
from singleshot.importers.caffe.heads import (
    CaffeHeads,
    heads_of,
    predictor_of,
    prior_shapes,
    prior_table,
    result_table,
)
from singleshot.importers.caffe.network import CaffeLayer, layers_of, write_layers
from singleshot.importers.caffe.text import Message, read_prototxt
from singleshot.importers.class_names import class_names_for
from singleshot.importers.graph import FINE_TUNING, GraphWriter
from singleshot.recipes.load import recipe_from

__all__ = ["read_caffe"]


class _Published(NamedTuple):
    """Pixels and class names of well-known weights, from the code of their authors."""

    transform: Transform
    class_names: tuple[str, ...] = ()


# By the prototxt's name of the network, or the SHA-256 of the caffemodel.
PUBLISHED = {
    # chuanqi305/MobileNet-SSD: demo.py.
    "MobileNet-SSD": _Published(Transform((127.5,), 0.007843)),
    # OpenCV's face detector, res10_300x300_ssd_iter_140000: samples/dnn/models.yml. Its training
    # subtracted 117 from green, as its file states; all users subtract 177.
    "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d": _Published(
        Transform((104, 177, 123), 1), ("face",)
    ),
}


def read_caffe(path: Path) -> Checkpoint:
    """Read the detector in a caffemodel or its prototxt; the other file must be beside it.

    Mean and scale of pixels come from a `transform_param` of the prototxt, else from the table of
    published weights, else from the training layers in the caffemodel. Class names come from a
    `labelmap*.prototxt` beside the files; without one 20 classes are VOC's, 80 are COCO's, and one
    is called "object". Raises ModelError, which names what is missing or cannot be expressed.
    """
    prototxt, caffemodel = _find_files(path)
    net, weights = read_prototxt(prototxt), read_caffemodel(caffemodel)
    known = _find_published(net, caffemodel)
    layers = layers_of(net, weights.blobs)
    heads = heads_of(layers, str(prototxt))
    size = _input_size(net, str(prototxt))
    names = _read_class_names(heads.num_columns - 1, prototxt, known)
    graph = _write_graph(layers, heads)
    settings = graph.settings(net.text("name") or prototxt.parent.name)
    model = {
        "input": size,
        "resize": "opencv",
        "pixels": _pixel_table(net, weights, known, str(prototxt)),
        "backbone": settings,
        "heads": {"kernels": graph.kernels},
        **_tables_of_grids(heads, settings, size, str(prototxt)),
    }
    recipe = recipe_from({"model": model, "training": FINE_TUNING}, source=str(prototxt))
    assert isinstance(recipe.model, SsdSettings)
    checkpoint = Checkpoint(graph.state(), recipe, names, metrics={})
    detector = Ssd.from_settings(recipe.model, GraphBackbone.from_settings(settings), names)
    checkpoint.restore(detector, str(caffemodel))
    return checkpoint


def _find_files(path: Path) -> tuple[Path, Path]:
    """Find the prototxt and the caffemodel, of which one is given."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    if path.suffix == ".caffemodel":
        return _find_beside(path, "*.prototxt*", "prototxt"), path
    return path, _find_beside(path, "*.caffemodel", "caffemodel")


def _find_beside(path: Path, pattern: str, kind: str) -> Path:
    """Find the only file of this kind beside another; raises ModelError for none or several."""
    found = [other for other in sorted(path.parent.glob(pattern)) if _is_network(other)]
    if len(found) != 1:
        names = ", ".join(other.name for other in found)
        raise ModelError(
            f"{path}: its {kind} must be beside it; found "
            + (f"{names}: move away all but the right one" if names else "none")
        )
    return found[0]


def _is_network(path: Path) -> bool:
    return not path.name.startswith(("labelmap", "solver"))


def _find_published(net: Message, caffemodel: Path) -> _Published | None:
    return PUBLISHED.get(hash_file(caffemodel)) or PUBLISHED.get(net.text("name"))


def _input_size(net: Message, source: str) -> tuple[int, int]:
    """Read the (height, width) of a deploy prototxt, which has one of three forms."""
    shapes = net.all("input_shape") + [
        shape for layer in net.all("layer") for shape in layer.only("input_param").all("shape")
    ]
    sides = shapes[0].numbers("dim") if shapes else net.numbers("input_dim")
    if len(sides) != 4 or sides[1] != 3:
        raise ModelError(
            f"{source}: its input is {[int(side) for side in sides]}, expected input_shape with "
            f"dim: 1, 3, height, width, as a deploy prototxt of a colour detector has"
        )
    return int(sides[2]), int(sides[3])


def _pixel_table(
    net: Message, weights: CaffeWeights, known: _Published | None, source: str
) -> dict[str, Any]:
    """Build the table `model.pixels`, in RGB; raises ModelError if its numbers are unknown."""
    transform = _transform_in(net) or (known.transform if known else weights.transform)
    if transform is None:
        raise ModelError(
            f"{source} and its caffemodel have no mean_value of the pixels; add, with your "
            f"numbers: layer {{ type: 'Input' top: 'pixels' transform_param "
            f"{{ mean_value: 104 mean_value: 117 mean_value: 123 scale: 1 }} }}"
        )
    means = transform.mean_values
    if len(means) not in {1, 3} or transform.scale <= 0:
        raise ModelError(
            f"{source}: transform_param has mean_value {list(means)} and scale {transform.scale}; "
            f"expected one mean or three, and a scale above 0"
        )
    blue, green, red = means * 3 if len(means) == 1 else means
    return {"mean": (red, green, blue), "std": (1 / transform.scale,) * 3}


def _transform_in(net: Message) -> Transform | None:
    """Read the transform of the first layer which has one."""
    for layer in net.all("layer"):
        parameters = layer.only("transform_param")
        if means := parameters.numbers("mean_value"):
            return Transform(tuple(means), parameters.number("scale", 1))
    return None


def _read_class_names(
    num_classes: int, prototxt: Path, known: _Published | None
) -> tuple[str, ...]:
    """Read a label map of as many classes beside the file, else take the known names."""
    for labelmap in sorted(prototxt.parent.glob("labelmap*.prototxt")):
        items = sorted(
            read_prototxt(labelmap).all("item"), key=lambda item: item.number("label", 0)
        )
        names = [item.text("display_name") or item.text("name") for item in items]
        if len(names) == num_classes + 1:  # the first is the background
            return tuple(names[1:])
    if known and len(known.class_names) == num_classes:
        return known.class_names
    return ("object",) if num_classes == 1 else class_names_for(num_classes, prototxt)


def _write_graph(layers: Mapping[str, CaffeLayer], heads: CaffeHeads) -> GraphWriter:
    """Write the network as a graph: RGB, folded, with predictors for each level."""
    graph = GraphWriter()
    predictors = [*heads.offsets, *heads.logits]
    write_layers(layers, [name for layer in predictors for name in layer.inputs], graph)
    for offsets, logits, priors in zip(heads.offsets, heads.logits, heads.priors, strict=True):
        number = len(prior_shapes(priors.definition.only("prior_box_param")))
        graph.add_level(
            predictor_of(offsets, 4 * number), predictor_of(logits, heads.num_columns * number)
        )
    graph.take_rgb()
    graph.fold_scales()
    return graph


def _tables_of_grids(
    heads: CaffeHeads, settings: GraphSettings, size: tuple[int, int], source: str
) -> dict[str, Any]:
    """Build the recipe's tables that depend on the sizes of the feature maps."""
    try:
        cells = grids(GraphBackbone.from_settings(settings), torch.zeros(1, 3, *size))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{source}: its layers do not fit each other: {reason}") from error
    priors = prior_table(heads.priors, size, cells)
    numbers = [
        rows * columns * len(shapes)
        for (rows, columns), shapes in zip(cells, priors["shapes_unit"], strict=True)
    ]
    return {"priors": priors, "results": result_table(heads, sum(numbers))}
