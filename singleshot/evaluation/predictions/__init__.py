"""Files of predictions: written by `evaluate`, read from any tool.

`load` detects the format; `coco_results`, `scored_annotations`, `predict_json`, `voc_text` and
`yolo_text` are the formats; `collector` checks what they read, `image_names` finds images by name,
`json_stream` and `text_lines` read large files in pieces.
"""

from singleshot.evaluation.predictions.coco_results import write_predictions
from singleshot.evaluation.predictions.collector import LoadedPredictions
from singleshot.evaluation.predictions.load import load_predictions

__all__ = ["LoadedPredictions", "load_predictions", "write_predictions"]
