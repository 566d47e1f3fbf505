"""Non-maximum suppression inside an ONNX model: from `boxes` and `scores` to fixed detections.

The rules are those of `postprocess` with hard NMS: scores above a threshold, the best of each class
into NMS, the best of the image out of it.
"""

from __future__ import annotations

import onnx

from singleshot.detectors.common.exportable import Exportable

__all__ = ["append_detections"]

PREFIX = "nms/"  # of the names of its nodes and values

GRAPH = """
<ir_version: {ir_version}, opset_import: ["" : {opset}]>
detections (float[b, {priors}, 4] boxes, float[b, {priors}, {classes}] scores)
    => (float[b, {keep}, 6] detections)
<
    int64[1] top_k = {{{top_k}}},
    int64[1] keep = {{{keep}}},
    int64 most_of_class = {{{most_of_class}}},
    float iou_threshold = {{{iou_threshold:.9g}}},
    float score_threshold = {{{score_threshold:.9g}}},
    float zero = {{0.0}},
    float one = {{1.0}},
    float nothing = {{-1.0}},
    int64 priors = {{{priors}}},
    int64[1] last = {{2}},
    int64[2] flat = {{0, -1}}
>
{{
    inside = Clip(boxes, zero, one)
    by_class = Transpose<perm = [0, 2, 1]>(scores)
    {limit}
    chosen = NonMaxSuppression({nms_boxes}, candidates, most_of_class, iou_threshold,
        score_threshold)
    chosen_scores = GatherND(by_class, chosen)
    shape = Shape(by_class)
    none = ConstantOfShape(shape)
    kept = ScatterND(none, chosen, chosen_scores)
    kept_flat = Reshape(kept, flat)
    best, index = TopK<axis = 1, largest = 1, sorted = 1>(kept_flat, keep)
    label = Div(index, priors)
    prior = Mod(index, priors)
    prior_column = Unsqueeze(prior, last)
    copies = Constant<value_ints = [1, 1, 4]>()
    prior_columns = Expand(prior_column, copies)
    best_boxes = GatherElements<axis = 1>(inside, prior_columns)
    label_float = Cast<to = 1>(label)
    found = Greater(best, zero)
    label_or_none = Where(found, label_float, nothing)
    best_column = Unsqueeze(best, last)
    label_column = Unsqueeze(label_or_none, last)
    rows = Concat<axis = 2>(best_boxes, best_column, label_column)
    found_column = Unsqueeze(found, last)
    blank = Constant<value_floats = [0.0, 0.0, 0.0, 0.0, 0.0, -1.0]>()
    detections = Where(found_column, rows, blank)
}}
"""

# Of each class only the best candidates take part.
LIMIT = """
    most, places = TopK<axis = 2, largest = 1, sorted = 1>(by_class, top_k)
    least_place = Constant<value_ints = [{last}]>()
    least = Gather<axis = 2>(most, least_place)
    enough = GreaterOrEqual(by_class, least)
    candidates = Where(enough, by_class, zero)
"""


def append_detections(model: onnx.ModelProto, exportable: Exportable) -> onnx.ModelProto:
    """Continue a model of the contract `decoded` with NMS."""
    options = exportable.postprocessing
    num_priors, num_classes = len(exportable.priors_cxcywh_unit), len(exportable.class_names)
    keep = min(options.keep, num_priors * num_classes)
    limited = options.top_k < num_priors
    limit = LIMIT.format(last=options.top_k - 1) if limited else "candidates = Identity(by_class)"
    (opset,) = [one.version for one in model.opset_import if not one.domain]
    text = GRAPH.format(
        ir_version=model.ir_version,
        opset=opset,
        priors=num_priors,
        classes=num_classes,
        keep=keep,
        top_k=options.top_k,
        most_of_class=keep,
        iou_threshold=options.iou_threshold,
        score_threshold=options.score_threshold,
        limit=limit,
        nms_boxes="inside" if options.clip_before_nms else "boxes",
    )
    tail = onnx.parser.parse_model(text)
    names = [(name, name) for name in ("boxes", "scores")]
    whole: onnx.ModelProto = onnx.compose.merge_models(model, tail, io_map=names, prefix2=PREFIX)
    del whole.opset_import[1:]  # both have the same
    _rename_output(whole.graph, f"{PREFIX}detections", "detections")
    return whole


def _rename_output(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename the output of a graph; no node takes it."""
    graph.output[0].name = new
    for node in graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
