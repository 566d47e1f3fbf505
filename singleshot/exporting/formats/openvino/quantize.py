"""Int8 in OpenVINO, by NNCF: where it runs in int8 is decided by what OpenVINO can fuse."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from singleshot.exporting.formats.format import Int8Support, ModelFiles, QuantizationJob
from singleshot.exporting.quantization.settings import Calibration, ladder_of
from singleshot.runtimes.standalone.signal_stack import keep_signal_stack

__all__ = ["INT8", "quantize_openvino"]

CONVOLUTIONS = ("Convolution", "GroupConvolution")
# What an L2 norm consists of; its sum of squares would leave the range of 8 bits.
NORMS = frozenset(
    ("Divide", "Multiply", "NormalizeL2", "Power", "ReduceL2", "ReduceSum", "Sqrt", "Subtract")
)


def quantize_openvino(request: QuantizationJob) -> ModelFiles:
    """Write the model with the same names in the folder of the job."""
    import openvino

    name, setting = request.files.names[0], request.setting
    model = openvino.Core().read_model(str(request.source / name))
    batches = list(request.batches())
    with _quiet(), keep_signal_stack():
        import nncf

        quantized = nncf.quantize(
            model,
            nncf.Dataset(batches),
            subset_size=len(batches),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(
                names=sorted(_float_nodes(model, setting.float_layers)), validate=False
            ),
            advanced_parameters=_parameters(setting.calibration, correct=setting.correct_biases),
        )
    openvino.save_model(quantized, str(request.job.folder / name), compress_to_fp16=False)
    return request.files


def _parameters(calibration: Calibration, *, correct: bool) -> Any:
    """Choose how ranges follow from images; biases that are corrected already stay."""
    from nncf import AdvancedQuantizationParameters, OverflowFix
    from nncf.quantization.range_estimator import (
        RangeEstimatorParametersSet,
    )

    ranges = {
        "minmax": RangeEstimatorParametersSet.MINMAX,
        "percentile": RangeEstimatorParametersSet.HISTOGRAM,
        "mean": RangeEstimatorParametersSet.MEAN_MINMAX,
    }[calibration]
    return AdvancedQuantizationParameters(
        disable_bias_correction=correct,
        activations_range_estimator_params=ranges,
        # It takes a bit off the first layer's weights, the one that needs it most.
        overflow_fix=OverflowFix.DISABLE,
    )


def _float_nodes(model: Any, float_layers: Collection[str]) -> set[str]:
    """Name the operations to leave alone: of these layers, of norms, all after the last ones."""
    operations = model.get_ordered_ops()
    convolutions = [one for one in operations if one.get_type_name() in CONVOLUTIONS]
    chosen = {one.get_friendly_name() for one in convolutions if _layer(one) in float_layers}
    leads_on: set[str] = set()  # operations that a convolution follows
    for operation in reversed(operations):
        followers = [
            target.get_node()
            for output in operation.outputs()
            for target in output.get_target_inputs()
        ]
        if any(
            one.get_type_name() in CONVOLUTIONS or one.get_friendly_name() in leads_on
            for one in followers
        ):
            leads_on.add(operation.get_friendly_name())
    last = {one.get_friendly_name() for one in convolutions} - leads_on
    computed = leads_on | last
    return chosen | {
        one.get_friendly_name()
        for one in operations
        if one.get_type_name() in NORMS
        or (
            one.get_friendly_name() not in computed
            and one.get_type_name() not in ("Constant", "Result")
        )
    }


def _layer(operation: Any) -> str:
    """Name the layer of a convolution: OpenVINO adds to the name where there is a bias."""
    name: str = operation.get_friendly_name()
    return name.partition("/")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what NNCF prints, and warnings of its dependencies."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        # On a machine with CUDA but without a GPU PyTorch complains when NNCF is imported.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        import nncf

        nncf.set_log_level(logging.ERROR)
        yield


INT8 = Int8Support(quantize_openvino, ladder_of("minmax", "percentile"))
