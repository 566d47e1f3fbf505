"""Detect objects with the model in this folder.

    python detect.py photo.jpg

needs NumPy, the runtime of the model (onnxruntime, openvino, ai-edge-litert, ncnn, executorch) and,
for image files other than .npy and .ppm, Pillow. Python 3.8 is enough. As a module:

    import detect
    model = detect.load(".")
    for x1, y1, x2, y2, score, label in model.detect(image):  # uint8 RGB (height, width, 3)
        print(model.class_names[int(label)], score)
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import importlib.metadata
import json
import math
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Candidates",
    "Engine",
    "Model",
    "candidates",
    "check_files",
    "load",
    "open_engine",
    "read_manifest",
    "resize",
    "select",
    "to_input",
]

MANIFEST = "model.json"
DEFAULT_SCORE_THRESHOLD = 0.3
# exp(x) of a wild prediction would overflow.
LARGEST_LOG_RATIO = math.log(1000 / 16)

Array = np.ndarray


class Candidates(NamedTuple):
    """Scored boxes of one image."""

    boxes: np.ndarray  # (n, 4): corners as fractions of the image
    scores: np.ndarray  # (n,)
    labels: np.ndarray  # (n,)


class ModelFileError(Exception):
    """A model file is missing, damaged or of another model, or its runtime is missing."""


# ---------------------------------------------------------------- the folder


def read_manifest(path: Path) -> dict[str, Any]:
    """Read `model.json` of a folder, or of the folder that a model file is in."""
    file = (path if path.is_dir() else path.parent) / MANIFEST
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"{file}: not readable: {error.strerror}") from error
    except ValueError as error:
        raise ModelFileError(f"{file}: damaged: {error}; copy it again") from error
    if not isinstance(document, dict) or "manifest_version" not in document:
        raise ModelFileError(f"{file}: not the manifest of an exported model")
    return document


def check_files(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Compare the files of the model with the manifest, and return the one to open."""
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: not readable: {error.strerror}") from error
        if len(content) < expected["bytes"]:
            raise ModelFileError(
                "{}: cut short: {} of {} bytes; copy it again".format(
                    path, len(content), expected["bytes"]
                )
            )
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise ModelFileError(
                f"{path}: not the file that {MANIFEST} describes: damaged, or of another model; "
                "copy both again, or export again"
            )
    first: str = next(iter(manifest["files"]))
    return folder / first


# ---------------------------------------------------------------- images


def resize(image: Array, size: tuple[int, int], how: str) -> Array:
    """Resize (h, w, 3) to (height, width), bilinearly, as the library does that `how` names."""
    rows = _weights(image.shape[0], size[0], how)
    columns = _weights(image.shape[1], size[1], how)
    height, width = size
    stretched = rows @ image.reshape(image.shape[0], -1).astype(np.float32)
    stretched = stretched.reshape(height, image.shape[1], 3)
    resized = np.einsum("cw,hwk->hck", columns, stretched, optimize=True)
    resized = resized.reshape(height, width, 3)
    whole = how in ("antialias", "opencv")
    result: Array = np.rint(resized) if whole else resized
    return result


def _weights(side: int, cells: int, how: str) -> Array:
    """Compute how much each of `side` pixels counts in each of `cells` pixels of the result."""
    cell = np.arange(cells, dtype=np.float64)
    scale = side / cells
    if how == "antialias":
        reach = max(scale, 1.0)
        centre = (cell + 0.5) * scale
        distance = np.abs(np.arange(side) + 0.5 - centre[:, None])
        triangle = np.maximum(0.0, 1.0 - distance / reach)
        shares: Array = triangle / triangle.sum(axis=1, keepdims=True)
        return shares.astype(np.float32)
    if how == "tensorflow1":
        place = cell * scale
    elif how == "darknet":
        place = cell * (side - 1) / max(cells - 1, 1)
    else:  # torchvision, opencv
        place = np.maximum((cell + 0.5) * scale - 0.5, 0.0)
    first = np.minimum(np.floor(place).astype(int), side - 1)
    second = np.minimum(first + 1, side - 1)
    part = np.clip(place - first, 0.0, 1.0)
    weights = np.zeros((cells, side))
    weights[np.arange(cells), first] += 1 - part
    weights[np.arange(cells), second] += part
    return weights.astype(np.float32)


def to_input(images: Sequence[Array], description: Mapping[str, Any]) -> Array:
    """Stack resized images (h, w, 3) as the model takes them: normalised, typed, laid out."""
    batch = np.stack(list(images)).astype(np.float32)
    mean = np.array(description["mean"], np.float32)
    std = np.array(description["std"], np.float32)
    if mean.any() or (std != 1).any():
        batch = (batch - mean) / std
    quantization = description.get("quantization")
    if quantization is not None:
        batch = np.rint(batch / quantization["scale"]) + quantization["zero_point"]
    if description["dtype"] != "float32":
        limits = np.iinfo(description["dtype"])
        batch = np.clip(np.rint(batch), limits.min, limits.max)
    if description["layout"] == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch, dtype=description["dtype"])


# ---------------------------------------------------------------- from outputs to detections


def priors_of(manifest: Mapping[str, Any]) -> Array:
    """Decode the table of priors (n, 4): centre x, centre y, width, height as fractions."""
    content = base64.b64decode(manifest["decoding"]["priors_float32_base64"])
    return np.frombuffer(content, "<f4").reshape(-1, 4)


def candidates(
    outputs: Mapping[str, Array], manifest: Mapping[str, Any], image: int, priors: Array
) -> Candidates:
    """Return boxes, scores and labels above the score threshold, of one image of the batch.

    By prior, then by label. Of the contract `detections` NMS is done.
    """
    threshold = manifest["postprocessing"]["score_threshold"]
    by_kind = {one["kind"]: outputs[one["name"]][image] for one in manifest["outputs"]}
    if manifest["contract"] == "detections":
        rows = by_kind["detections"]
        rows = rows[rows[:, 5] >= 0]
        return Candidates(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))
    if manifest["contract"] == "raw":
        offsets, logits = _join_levels(outputs, manifest, image)
        prior, label, scores = _scores_above(logits, manifest, threshold)
        boxes = _decode(offsets[prior], priors[prior], manifest["decoding"]["offset_scales"])
        return Candidates(boxes, scores, label)
    first = next(one["first_column"] for one in manifest["outputs"] if one["kind"] == "scores")
    scores = by_kind["scores"][:, first : first + len(manifest["class_names"])]
    prior, label = np.nonzero(scores > threshold)
    return Candidates(by_kind["boxes"][prior], scores[prior, label], label)


def _join_levels(
    outputs: Mapping[str, Array], manifest: Mapping[str, Any], image: int
) -> tuple[Array, Array]:
    """Order raw outputs by prior: offsets (n, 4), logits (n, columns)."""
    widths = {"offsets": 4, "logits": manifest["decoding"]["num_columns"]}
    joined: dict[str, list[Array]] = {"offsets": [], "logits": []}
    for one in manifest["outputs"]:
        values = outputs[one["name"]][image]
        if one["layout"] == "NCHW":
            values = values.transpose(1, 2, 0)
        joined[one["kind"]].append(values.reshape(-1, widths[one["kind"]]))
    return np.concatenate(joined["offsets"]), np.concatenate(joined["logits"])


def _scores_above(
    logits: Array, manifest: Mapping[str, Any], threshold: float
) -> tuple[Array, Array, Array]:
    """Return prior, label and score of all scores above the threshold."""
    decoding = manifest["decoding"]
    first = decoding["first_column"]
    last = first + len(manifest["class_names"])
    if decoding["scores"] == "sigmoid":
        lowest = -math.inf if threshold <= 0 else math.log(threshold / max(1 - threshold, 1e-30))
        prior, label = np.nonzero(logits[:, first:last] > lowest - 1e-4)
        scores = 1 / (1 + np.exp(-logits[prior, first + label]))
    else:
        # No score exceeds exp(logit - greatest logit): most priors need no exponentials.
        greatest = logits.max(axis=1)
        of_classes = logits[:, first:last].max(axis=1)
        margin = math.log(threshold) - 1e-4 if threshold > 0 else -math.inf
        possible = np.nonzero(of_classes - greatest >= margin)[0]
        powers = np.exp(logits[possible] - greatest[possible, None])
        everything = powers[:, first:last] / powers.sum(axis=1, keepdims=True)
        row, label = np.nonzero(everything > threshold)
        return possible[row], label, everything[row, label]
    above = scores > threshold
    return prior[above], label[above], scores[above]


def _decode(offsets: Array, priors: Array, scales: Sequence[float]) -> Array:
    """Decode offsets from priors into boxes: corners as fractions of the image."""
    centres = offsets[:, :2] * np.float32(scales[0]) * priors[:, 2:] + priors[:, :2]
    ratios = np.exp(np.minimum(offsets[:, 2:] * np.float32(scales[1]), LARGEST_LOG_RATIO))
    halves = ratios.astype(np.float32) * priors[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def select(found: Candidates, postprocessing: Mapping[str, Any]) -> Candidates:
    """Select detections: the best of each label, NMS within each, the best of all; best first."""
    boxes, scores, labels = found
    if postprocessing["nms"] != "hard":
        raise ModelFileError(
            "NMS of kind {!r} is not in this program; singleshot itself has it".format(
                postprocessing["nms"]
            )
        )
    if postprocessing["clip_before_nms"]:
        boxes = np.clip(boxes, 0, 1)
    finite = np.isfinite(boxes).all(axis=1)
    boxes, scores, labels = boxes[finite], scores[finite], labels[finite]
    kept: list[Array] = []
    for label in np.unique(labels):
        own = np.nonzero(labels == label)[0]
        own = own[np.argsort(-scores[own], kind="stable")][: postprocessing["top_k"]]
        kept.append(own[_nms(boxes[own], postprocessing["iou_threshold"])])
    index = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    index = index[np.argsort(-scores[index], kind="stable")][: postprocessing["keep"]]
    return Candidates(np.clip(boxes[index], 0, 1), scores[index], labels[index])


def _nms(boxes: Array, iou_threshold: float) -> Array:
    """Return the indices of the boxes to keep, given best first: greedy NMS."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        top_left = np.maximum(boxes[best, :2], boxes[left, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[left, 2:])
        sides = np.maximum(bottom_right - top_left, 0)
        overlap = sides[:, 0] * sides[:, 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            close = overlap / (areas[best] + areas[left] - overlap) > iou_threshold
        left = left[~close]
    return np.array(kept, np.int64)


# ---------------------------------------------------------------- runtimes


class Engine:
    """A model in its runtime: `run` maps a batch to outputs as float32, by name."""

    runtime = ""  # name and version

    def run(self, batch: Array) -> dict[str, Array]:
        """Run the model on a batch as `to_input` makes it."""
        raise NotImplementedError


class OnnxRuntimeEngine(Engine):
    """An ONNX file in onnxruntime, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        onnxruntime = _import("onnxruntime", "onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of onnxruntime's own kinds
            raise _unreadable(file, "onnxruntime", error) from error
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self.input = self.session.get_inputs()[0].name
        self.outputs = [one.name for one in self.session.get_outputs()]
        _require_outputs(file, manifest, self.outputs)

    def run(self, batch: Array) -> dict[str, Array]:
        return dict(zip(self.outputs, self.session.run(None, {self.input: batch})))


class OpenVinoEngine(Engine):
    """OpenVINO's intermediate representation, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        openvino = _import("openvino", "openvino")
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        # Left alone, OpenVINO computes in bfloat16 where the processor can.
        half = manifest["precision"] in ("float16", "bfloat16")
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if half else "f32"
        try:
            self.model = openvino.Core().compile_model(str(file), "CPU", settings)
        except Exception as error:  # RuntimeError for all there is
            raise _unreadable(file, "openvino", error) from error
        self.runtime = "openvino {}".format(openvino.__version__.split("-")[0])
        self.request = self.model.create_infer_request()
        self.outputs = [one.get_any_name() for one in self.model.outputs]
        _require_outputs(file, manifest, self.outputs)

    def run(self, batch: Array) -> dict[str, Array]:
        results = self.request.infer([batch], share_inputs=True)
        return {name: results[index] for index, name in enumerate(self.outputs)}


class LiteRtEngine(Engine):
    """A LiteRT (TensorFlow Lite) model, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        package, litert = _import_litert()
        try:
            self.interpreter = litert.Interpreter(
                model_path=str(file), num_threads=threads or os.cpu_count()
            )
            self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise _unreadable(file, package, error) from error
        self.runtime = f"{package} {_version(package)}"
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.outputs = self.interpreter.get_output_details()
        self.has_nms = len(manifest["outputs"]) == 1
        if not self.has_nms:
            _require_outputs(file, manifest, [one["name"] for one in self.outputs])

    def run(self, batch: Array) -> dict[str, Array]:
        self.interpreter.set_tensor(self.input, batch)
        self.interpreter.invoke()
        values = [
            _dequantize(self.interpreter.get_tensor(one["index"]), *one["quantization"])
            for one in self.outputs
        ]
        if self.has_nms:
            return {"detections": _join_detections(*values)}
        return {one["name"]: value for one, value in zip(self.outputs, values)}


def _import_litert() -> tuple[str, Any]:
    """Import LiteRT's interpreter, which was tflite-runtime's before Python 3.10."""
    try:
        return "tflite_runtime", importlib.import_module("tflite_runtime.interpreter")
    except ImportError:
        return "ai-edge-litert", _import("ai_edge_litert.interpreter", "litert", "ai-edge-litert")


def _dequantize(values: Array, scale: float, zero_point: int) -> Array:
    """Turn whole numbers into what they stand for; a scale of 0 marks float32."""
    if not scale:
        return values
    real: Array = (values.astype(np.float32) - zero_point) * np.float32(scale)
    return real


def _join_detections(boxes: Array, labels: Array, scores: Array, count: Array) -> Array:
    """Join the outputs of TFLite_Detection_PostProcess: x1, y1, x2, y2, score, label."""
    rows = np.concatenate(
        [np.clip(boxes[..., (1, 0, 3, 2)], 0, 1), scores[..., None], labels[..., None]], axis=2
    )
    rows[:, int(count[0]) :] = (0, 0, 0, 0, 0, -1)
    joined: Array = rows
    return joined


class NcnnEngine(Engine):
    """An ncnn model, on the CPU; it takes one image at a time."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        self.ncnn = _import("ncnn", "ncnn")
        self.net = self.ncnn.Net()
        self.net.opt.num_threads = threads or os.cpu_count() or 1
        half = manifest["precision"] == "float16"
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(self.net.opt, option, half)
        weights = file.with_suffix(".bin")
        for path, load in ((file, self.net.load_param), (weights, self.net.load_model)):
            if load(str(path)) != 0:
                raise _unreadable(path, "ncnn", ValueError("see above"))
        self.runtime = f"ncnn {self.ncnn.__version__}"
        self.input = manifest["input"]["name"]
        self.outputs = [one["name"] for one in manifest["outputs"]]
        _require_outputs(file, manifest, list(self.net.output_names()))

    def run(self, batch: Array) -> dict[str, Array]:
        results: dict[str, list[Array]] = {name: [] for name in self.outputs}
        for image in batch:
            extractor = self.net.create_extractor()
            extractor.input(self.input, self.ncnn.Mat(np.ascontiguousarray(image)).clone())
            for name in self.outputs:
                code, values = extractor.extract(name)
                if code != 0:
                    raise RuntimeError(f"ncnn failed to compute {name} (code {code})")
                results[name].append(np.array(values))
        return {name: np.stack(values) for name, values in results.items()}


class ExecuTorchEngine(Engine):
    """An ExecuTorch program; its Python runtime takes PyTorch's tensors."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls itself experimental
            runtime = _import("executorch.runtime", "executorch", "executorch").Runtime.get()
            library = importlib.import_module("executorch.extension.pybindings.portable_lib")
        self.torch = importlib.import_module("torch")
        if threads and threads != library._threadpool_get_thread_count():
            library._unsafe_reset_threadpool(threads)  # of the whole process
        try:
            # The program reads its weights from these bytes.
            self.program = runtime.load_program(file.read_bytes())
            self.method = self.program.load_method("forward")
        except Exception as error:  # RuntimeError for all there is
            raise _unreadable(file, "executorch", error) from error
        self.runtime = f"executorch {_version('executorch')}"
        self.outputs = [one["name"] for one in manifest["outputs"]]

    def run(self, batch: Array) -> dict[str, Array]:
        results = self.method.execute([self.torch.from_numpy(batch)])
        return {name: one.numpy() for name, one in zip(self.outputs, results)}


ENGINES = {
    "onnx": OnnxRuntimeEngine,
    "openvino": OpenVinoEngine,
    "litert": LiteRtEngine,
    "ncnn": NcnnEngine,
    "executorch": ExecuTorchEngine,
}


def open_engine(file: Path, manifest: Mapping[str, Any], threads: int = 0) -> Engine:
    """Open a model file in the runtime of its format; 0 threads: as many as the runtime likes."""
    engine = ENGINES.get(manifest["format"])
    if engine is None:
        raise ModelFileError(
            "{}: models of format {!r} cannot be run here; there are {}".format(
                file, manifest["format"], ", ".join(sorted(ENGINES))
            )
        )
    return engine(file, manifest, threads)


def _import(package: str, extra: str, distribution: str = "") -> Any:
    """Import a runtime; ModelFileError, with what to install, where it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelFileError(
            f"{package} is needed to run this model ({error}); install it with: pip install "
            f"{distribution or package}, or pip install 'singleshot[{extra}]'"
        ) from error


def _version(distribution: str) -> str:
    """Look up the version of an installed package."""
    return importlib.metadata.version(distribution)


def _unreadable(file: Path, runtime: str, error: Exception) -> ModelFileError:
    """Make the error of a file that the runtime does not take."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else type(error).__name__
    return ModelFileError(
        f"{file}: {runtime} cannot read this model ({reason}); copy it again, or export again"
    )


def _require_outputs(file: Path, manifest: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise ModelFileError for a model without the outputs that the manifest names."""
    missing = [one["name"] for one in manifest["outputs"] if one["name"] not in names]
    if missing:
        raise ModelFileError(
            "{}: has no output {}, only {}; it is not the model that {} describes".format(
                file, ", ".join(missing), ", ".join(names), MANIFEST
            )
        )


# ---------------------------------------------------------------- the whole


class Model:
    """A model with its manifest, from an image to detections."""

    def __init__(self, manifest: Mapping[str, Any], engine: Engine) -> None:
        self.manifest, self.engine = manifest, engine
        self.class_names: list[str] = list(manifest["class_names"])
        self.priors = priors_of(manifest)

    def detect(self, image: Array) -> Array:
        """Detect objects in an RGB image (h, w, 3): rows x1, y1, x2, y2, score, label."""
        description = self.manifest["input"]
        size = (int(description["size"][0]), int(description["size"][1]))
        resized = resize(image, size, description["resize"])
        batch = to_input([resized] * max(description["batch"], 1), description)
        outputs = self.engine.run(batch)
        boxes, scores, labels = self.select(outputs)
        sides = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return np.concatenate([boxes * sides, scores[:, None], labels[:, None]], axis=1)

    def select(self, outputs: Mapping[str, Array]) -> Candidates:
        """Select the detections of the first image."""
        found = candidates(outputs, self.manifest, 0, self.priors)
        if self.manifest["contract"] == "detections":
            return found
        return select(found, self.manifest["postprocessing"])


def load(path: str, threads: int = 0) -> Model:
    """Load the model of a folder, or a model file with its manifest beside it."""
    place = Path(path)
    manifest = read_manifest(place)
    file = check_files(place if place.is_dir() else place.parent, manifest)
    return Model(manifest, open_engine(file, manifest, threads))


def read_image(path: str) -> Array:
    """Read an image as uint8 RGB (h, w, 3): .npy and binary .ppm, all else through Pillow."""
    if path.endswith(".npy"):
        return np.asarray(np.load(path), np.uint8)
    if path.endswith(".ppm"):
        return _read_ppm(Path(path).read_bytes())
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ModelFileError(
            f"{path}: Pillow is needed to read it; install it with: pip install pillow, or give a "
            ".npy or .ppm file"
        ) from error
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _read_ppm(content: bytes) -> Array:
    """Read a binary PPM (P6) of 8 bits."""
    parts = content.split(None, 4)
    if len(parts) < 5 or parts[0] != b"P6" or parts[3] != b"255":
        raise ModelFileError("not a binary PPM of 8 bits")
    width, height = int(parts[1]), int(parts[2])
    pixels = np.frombuffer(content, np.uint8, offset=len(content) - width * height * 3)
    return pixels.reshape(height, width, 3)


def thresholds_of(manifest: Mapping[str, Any], given: float | None) -> Array:
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
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    document = []
    try:
        model = load(options.model, options.threads)
        lowest = thresholds_of(model.manifest, options.score_threshold)
        for path in options.images:
            document.append(_describe(path, read_image(path), model, lowest))
            if not options.json:
                _print(document[-1])
    except (ModelFileError, OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(document, indent=2))
    return 0


def _describe(path: str, image: Array, model: Model, lowest: Array) -> dict[str, Any]:
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
