"""Runtimes: a class for each, which opens a model file and runs it on batches."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.runtimes.standalone.model_files import MANIFEST_NAME, ModelFileError
from singleshot.runtimes.standalone.signal_stack import keep_signal_stack

__all__ = ["ENGINES", "Engine", "open_engine", "run"]


class Engine:
    """A model in its runtime: `run` maps a batch to outputs as float32, by name."""

    runtime = ""  # name and version

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
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

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.outputs, self.session.run(None, {self.input: batch})))


class OpenVinoEngine(Engine):
    """OpenVINO's intermediate representation, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        openvino = _import("openvino", "openvino")
        # Pinned, the threads of two programs would share the first core, and leave others idle.
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        # Left alone, OpenVINO computes in bfloat16 where the processor can.
        half = manifest["precision"] in ("float16", "bfloat16")
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if half else "f32"
        try:
            with keep_signal_stack():
                self.model = openvino.Core().compile_model(str(file), "CPU", settings)
        except Exception as error:  # RuntimeError for all there is
            raise _unreadable(file, "openvino", error) from error
        self.runtime = "openvino {}".format(openvino.__version__.split("-")[0])
        self.request = self.model.create_infer_request()
        self.outputs = [one.get_any_name() for one in self.model.outputs]
        _require_outputs(file, manifest, self.outputs)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        results = self.request.infer([batch], share_inputs=True)
        return {name: results[index] for index, name in enumerate(self.outputs)}


class LiteRtEngine(Engine):
    """A LiteRT (TensorFlow Lite) model, on the CPU."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        package, litert = _import_litert()
        self.has_nms = len(manifest["outputs"]) == 1
        if self.has_nms:
            threads = 1  # with more the operator of LiteRT 2.3 gives other boxes, or crashes
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
        if not self.has_nms:
            _require_outputs(file, manifest, [one["name"] for one in self.outputs])

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
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


def _dequantize(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Turn whole numbers into what they stand for; a scale of 0 marks float32."""
    if not scale:
        return values
    real: np.ndarray = (values.astype(np.float32) - zero_point) * np.float32(scale)
    return real


def _join_detections(
    boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Join the outputs of TFLite_Detection_PostProcess: x1, y1, x2, y2, score, label."""
    rows = np.concatenate(
        [np.clip(boxes[..., (1, 0, 3, 2)], 0, 1), scores[..., None], labels[..., None]], axis=2
    )
    rows[:, int(count[0]) :] = (0, 0, 0, 0, 0, -1)
    joined: np.ndarray = rows
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

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        results: dict[str, list[np.ndarray]] = {name: [] for name in self.outputs}
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

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        results = self.method.execute([self.torch.from_numpy(batch)])
        return {name: one.numpy() for name, one in zip(self.outputs, results)}


class RknnEngine(Engine):
    """A Rockchip model on the board, as rknn-toolkit-lite2 documents it."""

    def __init__(self, file: Path, manifest: Mapping[str, Any], threads: int) -> None:
        del threads  # the NPU has none
        self.lite = _import("rknnlite.api", "", "rknn-toolkit-lite2").RKNNLite()
        for call in (lambda: self.lite.load_rknn(str(file)), self.lite.init_runtime):
            code = call()
            if code != 0:
                raise _unreadable(file, "rknnlite", ValueError(f"code {code}"))
        self.runtime = f"rknn-toolkit-lite2 {_version('rknn-toolkit-lite2')}"
        self.outputs = [one["name"] for one in manifest["outputs"]]

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.outputs, self.lite.inference(inputs=[batch])))


ENGINES = {
    "onnx": OnnxRuntimeEngine,
    "openvino": OpenVinoEngine,
    "litert": LiteRtEngine,
    # The model before it was compiled: the NPU computes the same numbers.
    "vela": LiteRtEngine,
    "ncnn": NcnnEngine,
    "executorch": ExecuTorchEngine,
    # Here without a browser, in the same runtime.
    "web": OnnxRuntimeEngine,
}


# Of runtimes that are on their boards only.
BOARD_ENGINES = {"rknn": RknnEngine}


def open_engine(file: Path, manifest: Mapping[str, Any], threads: int = 0) -> Engine:
    """Open a model file in the runtime of its format; 0 threads: as many as the runtime likes."""
    engine = ENGINES.get(manifest["format"], BOARD_ENGINES.get(manifest["format"]))
    if engine is None:
        raise ModelFileError(
            "{}: models of format {!r} cannot be run here; there are {}".format(
                file, manifest["format"], ", ".join(sorted(ENGINES))
            )
        )
    return engine(file, manifest, threads)


def run(engine: Engine, batch: np.ndarray) -> dict[str, np.ndarray]:
    """Run a model; ModelFileError where its runtime fails, as for an input of another shape."""
    try:
        return engine.run(batch)
    except Exception as error:  # each runtime has its own kinds
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"{engine.runtime} failed on an input of {batch.dtype} {batch.shape}: {reason}; the "
            f"model and {MANIFEST_NAME} may not belong together: export again"
        ) from error


def _import(package: str, extra: str, distribution: str = "") -> Any:
    """Import a runtime; ModelFileError, with what to install, where it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelFileError(
            f"{package} is needed to run this model ({error}); install it with: pip install "
            f"{distribution or package}"
            + (f", or pip install 'singleshot[{extra}]'" if extra else "")
        ) from error


def _version(distribution: str) -> str:
    """Look up the version of an installed package; "?" where it is installed by another name."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "?"


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
                file, ", ".join(missing), ", ".join(names), MANIFEST_NAME
            )
        )
