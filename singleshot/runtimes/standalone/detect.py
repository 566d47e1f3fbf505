"""Detect objects with the model in this folder.

    python detect.py photo.jpg

needs NumPy, the runtime of the model (onnxruntime, openvino, ai-edge-litert, ncnn, executorch) and,
for image files other than .npy and .ppm, Pillow or OpenCV. Python 3.8 is enough. As a module:

    import detect
    model = detect.load(".")
    for x1, y1, x2, y2, score, label in model.detect(image):  # uint8 RGB (height, width, 3)
        print(model.class_names[int(label)], score)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.runtimes.standalone.decoding import Candidates, candidates, priors_of
from singleshot.runtimes.standalone.engines import ENGINES, Engine, open_engine, run
from singleshot.runtimes.standalone.image_files import draw, read_image, require_image
from singleshot.runtimes.standalone.model_files import (
    MANIFEST_NAME,
    ModelFileError,
    check_files,
    read_manifest,
)
from singleshot.runtimes.standalone.native import Native
from singleshot.runtimes.standalone.resizing import resize, to_input
from singleshot.runtimes.standalone.selection import select

__all__ = [
    "ENGINES",
    "Candidates",
    "Engine",
    "Model",
    "ModelFileError",
    "Native",
    "candidates",
    "check_files",
    "load",
    "main",
    "open_engine",
    "priors_of",
    "read_image",
    "read_manifest",
    "resize",
    "run",
    "select",
    "to_input",
]

DEFAULT_SCORE_THRESHOLD = 0.3


class Model:
    """A model with its manifest, from an image to detections."""

    def __init__(
        self, manifest: Mapping[str, Any], engine: Engine, native: Native | None = None
    ) -> None:
        """`native` is used in place of NumPy where it was built."""
        self.manifest, self.engine, self.native = manifest, engine, native
        self.class_names: list[str] = list(manifest["class_names"])
        self.priors = priors_of(manifest)

    def detect(self, image: np.ndarray) -> np.ndarray:
        """Detect objects in an RGB image (h, w, 3): rows x1, y1, x2, y2, score, label.

        Boxes are in pixels of the image, best first; scores as low as `score_threshold` in
        `model.json`.
        """
        outputs = run(self.engine, self.preprocess(image))
        return self.postprocess(outputs, (image.shape[0], image.shape[1]))

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        """Turn an image into a batch as the model takes it."""
        description = self.manifest["input"]
        size = (int(description["size"][0]), int(description["size"][1]))
        resized = (self.native.resize if self.native else resize)(
            require_image(image), size, description["resize"]
        )
        return to_input([resized] * max(description["batch"], 1), description)

    def postprocess(self, outputs: Mapping[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
        """Turn outputs into the detections in the first image, of this (height, width)."""
        if self.native:
            return self.native.select(outputs, 0, size)
        found = candidates(outputs, self.manifest, 0, self.priors)
        sides = np.array([size[1], size[0]] * 2, np.float32)
        if self.manifest["contract"] != "detections":
            found = select(found, self.manifest["postprocessing"], size[::-1])
        columns = [found.boxes * sides, found.scores[:, None], found.labels[:, None]]
        return np.concatenate(columns, axis=1, dtype=np.float32)


def load(path: str, threads: int = 0) -> Model:
    """Load the model of a folder, or a model file with its manifest beside it."""
    place = Path(path)
    manifest = read_manifest(place)
    folder = place if place.is_dir() else place.parent
    file = check_files(folder, manifest)
    engine = open_engine(file, manifest, threads)
    return Model(manifest, engine, Native.find(folder, manifest))


def thresholds_of(manifest: Mapping[str, Any], given: float | None) -> np.ndarray:
    """Return the score threshold of each class: the given one, the chosen ones or the default."""
    names = manifest["class_names"]
    if given is not None:
        return np.full(len(names), given)
    chosen = (manifest.get("operating_point") or {}).get("score_thresholds", {})
    found = [chosen.get(name) for name in names]
    return np.array([DEFAULT_SCORE_THRESHOLD if one is None else one for one in found])


def main(words: Sequence[str] | None = None) -> int:
    """Print the detections in images; the exit code is 2 for what cannot be read."""
    here = str(Path(__file__).resolve().parent)
    parser = argparse.ArgumentParser(description="Detect objects with the model of this folder.")
    parser.add_argument("images", nargs="+", help="image files; .npy and .ppm need no Pillow")
    parser.add_argument("--model", default=here, help="folder or file of the model")
    parser.add_argument("--score-threshold", type=float, help="lowest score of a detection")
    parser.add_argument("--threads", type=int, default=0, help="threads of the runtime")
    parser.add_argument("--draw", metavar="DIR", help="save the images with boxes in this folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    document = []
    try:
        model = load(options.model, options.threads)
        lowest = thresholds_of(model.manifest, options.score_threshold)
        for path in options.images:
            image = read_image(path)
            document.append(_describe(path, image, model, lowest))
            if options.draw:
                draw(image, document[-1]["detections"], Path(options.draw, Path(path).name))
            if not options.json:
                _print(document[-1])
    except (ModelFileError, OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except (KeyError, IndexError, TypeError, ZeroDivisionError) as error:
        # Keys and numbers that nothing else in the folder contradicts.
        reason = f"{type(error).__name__}: {error}"
        print(f"Error: {MANIFEST_NAME} is damaged ({reason}); copy it again", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(document, indent=2))
    return 0


def _describe(path: str, image: np.ndarray, model: Model, lowest: np.ndarray) -> dict[str, Any]:
    """Detect in an image, and describe it as `singleshot predict --json` does."""
    rows = model.detect(image)
    rows = rows[rows[:, 4] >= lowest[rows[:, 5].astype(int)]]
    found = [
        {
            "box": [round(float(corner), 3) for corner in row[:4]],
            "label": model.class_names[int(row[5])],
            "score": round(float(row[4]), 6),
        }
        for row in rows
    ]
    height, width = image.shape[:2]
    return {"image": path, "width": width, "height": height, "detections": found}


def _print(described: Mapping[str, Any]) -> None:
    """Print the detections in one image, one a line."""
    found = described["detections"]
    print(
        f"{described['image']} ({described['width']} x {described['height']}): {len(found)} found"
    )
    for one in found:
        corners = " ".join(f"{corner:.1f}" for corner in one["box"])
        print(f"  {one['label']:20} {one['score']:.2f}  {corners}")


if __name__ == "__main__":
    sys.exit(main())
