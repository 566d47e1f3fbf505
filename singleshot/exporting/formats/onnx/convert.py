"""ONNX, by PyTorch's exporter: few operators, all of opset 18, which older runtimes read as well.

The manifest is in the metadata of the file, under the key "singleshot".
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles, TargetForm
from singleshot.exporting.formats.onnx.graph import name_convolutions
from singleshot.exporting.formats.onnx.quantize import INT8
from singleshot.runtimes.artifact import METADATA_KEY
from singleshot.runtimes.manifest import Manifest

if TYPE_CHECKING:
    import onnx

__all__ = ["FORMAT", "build_onnx"]

OPSET = 18
IR_VERSION = 8  # of the same year; TensorRT 8.6 and onnxruntime 1.14 read it
FILE = "model.onnx"
# dusty-nv's jetson-inference (detectNet): input_0 to scores and boxes, normalised on the host.
JETSON = "jetson"
JETSON_OPSET = 17  # the latest of TensorRT 8.5, JetPack 5's


def convert(job: ExportJob) -> ModelFiles:
    """Write model.onnx."""
    import onnx

    model = build_onnx(job)
    if job.target == JETSON:
        model = lower_opset(model, job)
    onnx.save(model, str(job.folder / FILE))
    return job.described(FILE)


def lower_opset(model: onnx.ModelProto, job: ExportJob) -> onnx.ModelProto:
    """Convert to the opset of older Jetsons, where its operators are the same."""
    import onnx

    try:
        lowered: onnx.ModelProto = onnx.version_converter.convert_version(model, JETSON_OPSET)
    except RuntimeError as error:  # an operator that has changed since, such as Pad
        job.notify(f"opset {OPSET} is kept, for which TensorRT 8.6 is needed ({error})")
        return model
    return lowered


def build_onnx(job: ExportJob) -> onnx.ModelProto:
    """Convert a network to an ONNX model with the outputs of its contract."""
    import onnx

    network, batch = job.network, job.batch
    outputs = ["boxes", "scores"]
    if network.contract == "raw":
        outputs = [one.name for one in network.outputs(batch)]
    model = _exported(network, batch, job.input_name, outputs)
    _remove_traces(model)
    name_convolutions(model)
    model.ir_version = IR_VERSION
    model.producer_name = "singleshot"
    if network.contract == "detections":
        from singleshot.exporting.formats.onnx.detections import append_detections

        model = append_detections(model, network.exportable)
    if job.precision == "int8":
        from singleshot.exporting.formats.onnx.weights import fold_rounded_weights

        fold_rounded_weights(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _exported(network: Any, batch: int, input_name: str, outputs: list[str]) -> onnx.ModelProto:
    """Run PyTorch's exporter."""
    import torch

    any_batch = None if batch else ({0: torch.export.Dim("batch", min=1)},)
    with warnings.catch_warnings(), torch.no_grad():
        # Of PyTorch's own code: deprecated names, and tensors that it copies.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            # An example of one image would fix a batch that is to be any number.
            (network.example(batch or 2),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=outputs,
            dynamic_shapes=any_batch,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def _remove_traces(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes on each node: stack traces with paths of this machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


def finish(file: Path, manifest: Manifest) -> None:
    """Write the manifest into the metadata of the file."""
    import onnx

    model = onnx.load(str(file))
    metadata = {one.key: one.value for one in model.metadata_props}
    metadata[METADATA_KEY] = manifest.to_text()
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(file))


FORMAT = ExportFormat(
    name="onnx",
    about="ONNX, for onnxruntime, TensorRT and most converters",
    contracts=("raw", "decoded", "detections"),
    extra="onnx",
    modules=("onnx", "onnxscript", "onnxruntime"),
    convert=convert,
    runtime="onnxruntime",
    finish=finish,
    other_pixels=("float32", "normalized"),
    any_batch=True,
    targets=(JETSON,),
    target_forms={
        JETSON: TargetForm("decoded", "normalized", input_name="input_0", background=True)
    },
    int8=INT8,
    takes_ranges=True,
)
