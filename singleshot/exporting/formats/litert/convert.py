"""From a network to model.tflite, for LiteRT, microcontrollers and vendors' compilers.

Images and raw outputs are (b, rows, columns, channels): on-device runtimes compute in that order.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from singleshot.exporting.environments import ConverterEnvironment
from singleshot.exporting.formats.format import (
    ExportFormat,
    ExportJob,
    Int8Support,
    ModelFiles,
    QuantizationJob,
    TargetForm,
)
from singleshot.exporting.formats.litert.flatbuffer import (
    read_model,
    rename_tensors,
    write_model,
)
from singleshot.exporting.formats.litert.postprocess import NMS_INPUTS, append_nms, nms_inputs
from singleshot.exporting.quantization.settings import ladder_of
from singleshot.runtimes.manifest import ModelInput, ModelOutput

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["FORMAT", "LITERT_TORCH", "convert", "convert_module"]

FILE = "model.tflite"
TARGETS = ("android", "coral")

LITERT_TORCH = ConverterEnvironment(
    name="litert",
    module="litert_torch",
    # It caps PyTorch and typing-extensions, and brings jax and transformers along.
    requirements=(("litert-torch>=0.10",),),
    size="1 GB and PyTorch",
)


def convert(job: ExportJob) -> ModelFiles:
    """Write model.tflite."""
    file = job.folder / FILE
    network = job.network
    if network.contract == "detections":
        convert_module(job, nms_inputs(network), NMS_INPUTS, file)
        model = read_model(file)
        append_nms(model, network.exportable)
        write_model(model, file)
    else:
        convert_module(job, network, [one.name for one in network.outputs(1)], file)
    return ModelFiles(
        (FILE,),
        _channels_last_input(job),
        _channels_last_outputs(network.outputs(job.batch)),
        job.precision,
    )


def _quantize(request: QuantizationJob) -> ModelFiles:
    """Write model.tflite in int8."""
    from singleshot.exporting.formats.litert.quantize import quantize_litert

    return quantize_litert(request)


def convert_module(
    job: ExportJob, module: nn.Module, output_names: Sequence[str], file: Path
) -> None:
    """Convert a module with the input of the job to a LiteRT model in float32.

    Raises:
        SingleshotError: litert-torch's environment is missing.
        RunFailed: litert-torch failed.
    """
    python = LITERT_TORCH.require(make=job.make_environment, notify=job.notify)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program.pt2")
        _save_program(module, job.network.example(job.batch), program)
        LITERT_TORCH.run(python, Path(__file__).with_name("converter.py"), program, file)
    model = read_model(file)
    rename_tensors(model, job.input_name, output_names)
    model.description = b"singleshot"
    write_model(model, file)


def _save_program(module: nn.Module, example: Tensor, path: Path) -> None:
    """Write the graph of a module, with its weights, as PyTorch exchanges them."""
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        # Of PyTorch's own code.
        warnings.simplefilter("ignore")
        program = torch.export.export(module.eval(), (example,))
        torch.export.save(program, path)


def _channels_last_input(job: ExportJob) -> ModelInput:
    """Describe the images."""
    described = job.network.input(job.batch, job.input_name)
    return described.model_copy(update={"layout": "NHWC"})


def _channels_last_outputs(outputs: Sequence[ModelOutput]) -> tuple[ModelOutput, ...]:
    """Describe the outputs; maps have their channels last."""
    described = []
    for one in outputs:
        if one.layout == "NCHW":
            batch, channels, *grid = one.shape
            changes = {"layout": "NHWC", "shape": (batch, *grid, channels)}
            described.append(one.model_copy(update=changes))
        else:
            described.append(one)
    return tuple(described)


FORMAT = ExportFormat(
    name="litert",
    about="LiteRT (TensorFlow Lite), for Android, microcontrollers and Coral",
    contracts=("raw", "decoded", "detections"),
    extra="litert",
    modules=("ai_edge_litert", "flatbuffers"),
    convert=convert,
    runtime="ai-edge-litert",
    note="Before Python 3.10 the runtime is `tflite-runtime`.",
    pixels="normalized",
    single_image=("detections",),  # as the operator of NMS does
    other_pixels=("float32",),
    targets=TARGETS,
    target_forms={target: TargetForm("detections", "normalized") for target in TARGETS},
    int8=Int8Support(_quantize, ladder_of("minmax", "mean"), mixed_precision=False),
)
