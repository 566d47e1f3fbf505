"""Caffe's layers as those of our graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from torch import Tensor

from singleshot.backbones.settings import (
    IMAGE,
    ConvolutionLayer,
    L2NormLayer,
    MergeLayer,
    PoolLayer,
    ReluLayer,
    ScaleLayer,
)
from singleshot.errors import ModelError
from singleshot.importers.caffe.text import Message
from singleshot.importers.graph import GraphWriter, batch_norm_as_scale

__all__ = ["CaffeLayer", "Extent", "layers_of", "write_layers"]

Extent = int | tuple[int, int]

PASSING = {"Dropout", "Split"}  # their output is their input, after training
READING = {"Input", "Data", "AnnotatedData", "DummyData"}
OLD_EPSILON = 1e-5  # of BatchNorm, if the prototxt has none
L2_EPSILON = 1e-10  # of Normalize, as of our L2Norm


@dataclass(frozen=True, slots=True)
class CaffeLayer:
    """A layer: its definition in the prototxt and its tensors in the caffemodel."""

    name: str
    kind: str
    inputs: tuple[str, ...]  # the layers whose outputs it takes, or 'image'
    definition: Message
    blobs: list[Tensor]

    @property
    def place(self) -> str:
        """File, line and layer, for errors."""
        return f"{self.definition.place}: layer {self.name!r} ({self.kind})"

    def refuse(self, what: str) -> ModelError:
        """Make the error for a value that our graph cannot express."""
        return ModelError(f"{self.place}: {what}, which cannot be imported")

    @property
    def input(self) -> str:
        """First input; raises ModelError if it has none."""
        if not self.inputs:
            raise ModelError(f"{self.place} has no input; give it a bottom")
        return self.inputs[0]

    def blob(self, number: int) -> Tensor:
        """Return one of its tensors; raises ModelError if the caffemodel has fewer."""
        if number >= len(self.blobs):
            raise ModelError(
                f"{self.place} has {len(self.blobs)} tensors in the caffemodel, expected "
                f"{number + 1}; the two files are not of the same network"
            )
        return self.blobs[number]

    def kernels(self) -> Tensor:
        """Return the weights of a convolution, (outputs, channels, rows, columns).

        Raises ModelError if their shape is not that of the prototxt.
        """
        parameters = self.definition.only("convolution_param")
        kernel = both(extent(parameters, "kernel_size", "kernel", 0))
        expected = (int(parameters.number("num_output", 0)), *kernel)
        weight = self.blob(0)
        if weight.dim() != 4 or (weight.shape[0], *weight.shape[2:]) != expected:
            raise ModelError(
                f"{self.place} has weights {list(weight.shape)} in the caffemodel, expected "
                f"{expected[0]} kernels of {expected[1]} × {expected[2]}; the two files are not of "
                f"the same network"
            )
        return weight


def layers_of(net: Message, blobs: Mapping[str, list[Tensor]]) -> dict[str, CaffeLayer]:
    """Map names to the layers that run after training.

    A layer may overwrite its input: the blob's name then means the last layer that wrote it.
    """
    if net.all("layers"):
        raise ModelError(
            f"{net.place}: its layers are of Caffe's first format; rewrite it with Caffe's "
            f"upgrade_net_proto_text"
        )
    writer = dict.fromkeys(net.texts("input"), IMAGE)
    layers: dict[str, CaffeLayer] = {}
    for definition in filter(_is_in_test_phase, net.all("layer")):
        name, kind = definition.text("name").replace(".", "_"), definition.text("type")
        inputs = tuple(_source_of(blob, writer, definition) for blob in definition.texts("bottom"))
        if kind in READING or kind in PASSING:
            name = inputs[0] if inputs else IMAGE
        else:
            weights = blobs.get(definition.text("name"), [])
            layers[name] = CaffeLayer(name, kind, inputs, definition, weights)
        writer.update(dict.fromkeys(definition.texts("top"), name))
    return layers


def _is_in_test_phase(definition: Message) -> bool:
    """Check whether a layer runs after training."""
    phases = [rule.text("phase", "TEST") for rule in definition.all("include")]
    excluded = [rule.text("phase", "TRAIN") for rule in definition.all("exclude")]
    return (not phases or "TEST" in phases) and "TEST" not in excluded


def _source_of(blob: str, writer: Mapping[str, str], definition: Message) -> str:
    if blob not in writer:
        raise ModelError(
            f"{definition.place}: layer {definition.text('name')!r} has the input {blob!r}, which "
            f"no layer above it outputs"
        )
    return writer[blob]


def write_layers(layers: Mapping[str, CaffeLayer], ends: list[str], graph: GraphWriter) -> None:
    """Add to the graph the layers of these names and all that they depend on."""
    needed = set(_names_above(layers, ends))
    for layer in layers.values():
        if layer.name in needed:
            try:
                _write_layer(layer, graph)
            except ValidationError as error:
                problem = error.errors(include_url=False)[0]
                raise layer.refuse(f"{problem['loc'][0]}: {problem['input']!r}") from error


def _names_above(layers: Mapping[str, CaffeLayer], ends: list[str]) -> Iterator[str]:
    """Yield the names of layers and of those that they depend on."""
    seen, left = set(), list(ends)
    while left:
        name = left.pop()
        if name != IMAGE and name not in seen:
            seen.add(name)
            left.extend(layers[name].inputs)
            yield name


def _write_layer(layer: CaffeLayer, graph: GraphWriter) -> None:
    match layer.kind:
        case "Convolution" | "DepthwiseConvolution" | "ConvolutionDepthwise":
            _write_convolution(layer, graph)
        case "BatchNorm":
            _write_batch_norm(layer, graph)
        case "Scale":
            _write_scale(layer, graph)
        case "ReLU":
            if layer.definition.only("relu_param").number("negative_slope", 0):
                raise layer.refuse("a negative_slope")
            graph.add(ReluLayer(name=layer.name, input=layer.input))
        case "Pooling":
            _write_pooling(layer, graph)
        case "Normalize":
            _write_l2_norm(layer, graph)
        case "Eltwise" | "Concat":
            _write_merge(layer, graph)
        case _:
            raise layer.refuse("a layer of this type")


def _write_convolution(layer: CaffeLayer, graph: GraphWriter) -> None:
    parameters = layer.definition.only("convolution_param")
    weight = layer.kernels()
    bias = parameters.flag("bias_term", default=True)
    weights = {"weight": weight, "bias": layer.blob(1).flatten()} if bias else {"weight": weight}
    graph.add(
        ConvolutionLayer(
            name=layer.name,
            input=layer.input,
            channels=int(parameters.number("num_output", 0)),
            kernel=extent(parameters, "kernel_size", "kernel", 0),
            stride=extent(parameters, "stride", "stride", 1),
            padding=extent(parameters, "pad", "pad", 0),
            dilation=extent(parameters, "dilation", "dilation", 1),
            groups=int(parameters.number("group", 1)),
            bias=bias,
        ),
        weights,
    )


def extent(parameters: Message, key: str, short: str, default: int) -> Extent:
    """Read a number for both directions, or one for each (`ConvolutionParameter`)."""
    values = parameters.numbers(key) or [
        parameters.number(f"{short}_{side}", default) for side in "hw"
    ]
    down, across = int(values[0]), int(values[-1])
    return down if down == across else (down, across)


def _write_batch_norm(layer: CaffeLayer, graph: GraphWriter) -> None:
    """Write a batch norm, whose blobs are sums over all batches and their divisor."""
    count = layer.blob(2).double().flatten()
    part = 1 / count if count != 0 else count
    epsilon = layer.definition.only("batch_norm_param").number("eps", OLD_EPSILON)
    mean, variance = (layer.blob(number).double().flatten() * part for number in (0, 1))
    weights = batch_norm_as_scale(mean, variance, epsilon)
    graph.add(ScaleLayer(name=layer.name, input=layer.input), weights)


def _write_scale(layer: CaffeLayer, graph: GraphWriter) -> None:
    if len(layer.inputs) > 1:
        raise layer.refuse("a factor computed by another layer")
    factor = layer.blob(0).flatten()
    has_bias = layer.definition.only("scale_param").flag("bias_term", default=False)
    shift = layer.blob(1).flatten() if has_bias else factor.new_zeros(factor.shape)
    weights = {"weight": factor, "bias": shift}
    graph.add(ScaleLayer(name=layer.name, input=layer.input), weights)


def _write_pooling(layer: CaffeLayer, graph: GraphWriter) -> None:
    """Write a pooling layer; Caffe counts windows that reach beyond the map.

    PyTorch drops those that begin beyond it, which exist only if a stride is larger than its kernel
    (`pooling_layer.cpp`, Reshape).
    """
    parameters = layer.definition.only("pooling_param")
    operations = {"MAX": "max_pool", "AVE": "average_pool"}
    method = parameters.text("pool", "MAX")
    if method not in operations or parameters.flag("global_pooling", default=False):
        raise layer.refuse("pooling other than MAX or AVE of a window")
    kernel = extent(parameters, "kernel_size", "kernel", 0)
    stride = extent(parameters, "stride", "stride", 1)
    if any(step > side for step, side in zip(both(stride), both(kernel), strict=True)):
        raise layer.refuse("a stride larger than the kernel")
    ceil_mode = parameters.text("round_mode", "CEIL") == "CEIL" and parameters.flag(
        "ceil_mode", default=True
    )
    graph.add(
        PoolLayer.model_validate(
            {
                "name": layer.name,
                "operation": operations[method],
                "input": layer.input,
                "kernel": kernel,
                "stride": stride,
                "padding": extent(parameters, "pad", "pad", 0),
                "ceil_mode": ceil_mode,
            }
        )
    )


def both(value: Extent) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _write_l2_norm(layer: CaffeLayer, graph: GraphWriter) -> None:
    parameters = layer.definition.only("norm_param")
    if parameters.flag("across_spatial", default=True):
        raise layer.refuse("across_spatial: true")
    if parameters.number("eps", L2_EPSILON) != L2_EPSILON:
        raise layer.refuse(f"eps: {parameters.text('eps')}")
    if parameters.flag("channel_shared", default=True):
        raise layer.refuse("channel_shared: true")
    graph.add(L2NormLayer(name=layer.name, input=layer.input), {"scale": layer.blob(0).flatten()})


def _write_merge(layer: CaffeLayer, graph: GraphWriter) -> None:
    parameters = layer.definition.only("eltwise_param")
    if layer.kind == "Eltwise" and parameters.text("operation", "SUM") != "SUM":
        raise layer.refuse(f"operation: {parameters.text('operation')}")
    if any(factor != 1 for factor in parameters.numbers("coeff")):
        raise layer.refuse("a coeff other than 1")
    if layer.definition.only("concat_param").number("axis", 1) != 1:
        raise layer.refuse("an axis other than that of the channels")
    operation = "add" if layer.kind == "Eltwise" else "concat"
    graph.add(
        MergeLayer.model_validate(
            {"name": layer.name, "operation": operation, "inputs": layer.inputs}
        )
    )
