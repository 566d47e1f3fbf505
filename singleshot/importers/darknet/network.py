"""The layers of a cfg as ours, and its predictions (src/parser.c).

A layer that ours cannot express is a ModelError that names file and line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from singleshot.backbones.settings import (
    Convolutional,
    DarknetLayer,
    Maxpool,
    Reorg,
    Route,
    Shortcut,
    Upsample,
)
from singleshot.importers.darknet.cfg import LARGEST_NUMBER, Section

__all__ = ["Network", "OutputLayer", "network_of"]

LAYERS = {"convolutional", "maxpool", "reorg", "upsample", "route", "shortcut", "dropout"}
CONNECTED = {"local", "connected"}
ENDS = {"region", "yolo", "detection"}
LARGEST_DEPTH = 400  # layers; yolov3.cfg has 107
LARGEST_MAP = 2**27  # numbers; yolov3.cfg has 12 million at 608 × 608
# Options of `net` for size and training; any other may change the outputs.
NET_OPTIONS = {
    *("batch", "subdivisions", "width", "height", "channels", "inputs", "time_steps", "notruth"),
    *("momentum", "decay", "learning_rate", "burn_in", "max_batches", "policy", "steps", "scales"),
    *("step", "scale", "gamma", "power", "adam", "B1", "B2", "eps", "seq_scales", "random"),
    *("angle", "saturation", "exposure", "hue", "aspect", "max_crop", "min_crop", "center"),
}


@dataclass(frozen=True, slots=True)
class _Output:
    """The output of a layer of the cfg."""

    layer: int | None  # its number among ours; None: a prediction, no input of other layers
    channels: int = 0
    stride: float = 1.0  # pixels between its cells


@dataclass(frozen=True, slots=True)
class OutputLayer:
    """A prediction layer and the convolution before it."""

    section: Section
    convolution: Section | None  # None if fully connected layers are before it
    source: _Output  # input of that convolution
    channels: int  # its outputs


@dataclass(slots=True)
class Network:
    """The layers and predictions of a cfg."""

    net: Section
    layers: list[DarknetLayer] = field(default_factory=list)
    outputs: list[_Output] = field(default_factory=list)  # of each section
    connected: list[Section] = field(default_factory=list)
    predictions: list[OutputLayer] = field(default_factory=list)
    in_file: list[int | Section] = field(default_factory=list)  # our layer's number, or a head

    def add(self, section: Section, layer: DarknetLayer, channels: int, stride: float) -> None:
        """Add a layer whose output others may use."""
        rows, columns = (self.net.integer(key, least=32) / stride for key in ("height", "width"))
        if channels * rows * columns > LARGEST_MAP:
            raise section.error(f"has an output of {channels} channels; expected a smaller one")
        self.outputs.append(_Output(len(self.layers), channels, stride))
        self.layers.append(layer)


def network_of(sections: Sequence[Section]) -> Network:
    """Build the network of a cfg, layer by layer."""
    network = Network(sections[0])
    network.net.require_known(NET_OPTIONS)
    if len(sections) > LARGEST_DEPTH:
        raise sections[LARGEST_DEPTH].error(f"is layer {LARGEST_DEPTH}; expected fewer")
    kinds = [*(section.kind for section in sections[1:]), ""]
    for section, after in zip(sections[1:], kinds[1:], strict=False):
        if section.kind in ENDS:
            _add_prediction(network, section, sections)
        elif section.kind in CONNECTED or (network.connected and section.kind == "dropout"):
            _add_connected(network, section)
        elif section.kind not in LAYERS:
            raise section.error(
                f"cannot be imported; expected {', '.join(sorted(LAYERS | CONNECTED | ENDS))}"
            )
        elif network.connected:
            raise section.error("follows a fully connected layer")
        elif section.kind == "convolutional" and after in {"region", "yolo"}:
            network.outputs.append(_Output(None, _channels_of_head(section), 0.0))
            network.in_file.append(section)
        else:
            _add_layer(network, section)
    return network


def _add_layer(network: Network, section: Section) -> None:
    """Add a layer of the backbone."""
    match section.kind:
        case "convolutional":
            before = _previous_output(network, section)
            layer = _read_convolutional(section)
            if before.channels % layer.groups or layer.channels % layer.groups:
                raise section.error(
                    f"has groups that {before.channels} channels do not divide into"
                )
            network.in_file.append(len(network.layers))
            network.add(section, layer, layer.channels, before.stride * layer.stride)
        case "maxpool":
            before, pool = _previous_output(network, section), _read_maxpool(section)
            network.add(section, pool, before.channels, before.stride * pool.stride)
        case "reorg":
            _add_reorg(network, section)
        case "upsample":
            section.require_known({"stride", "scale"})
            section.require("scale", "1", "1.0", default="1")
            before = _previous_output(network, section)
            stride = section.integer("stride", 2, least=1)
            network.add(section, Upsample(stride=stride), before.channels, before.stride / stride)
        case "route":
            _add_route(network, section)
        case "shortcut":
            _add_shortcut(network, section)
        case "dropout":
            # It has no effect after training, but counts as a layer.
            network.outputs.append(_previous_output(network, section))


def _previous_output(network: Network, section: Section) -> _Output:
    """Return the output of the layer before, or the image."""
    if not network.outputs:
        return _Output(-1, network.net.integer("channels", 3, least=1))
    if network.outputs[-1].layer is None:
        raise section.error("follows a prediction; expected a [route] to an earlier layer")
    return network.outputs[-1]


def _read_convolutional(section: Section) -> Convolutional:
    """Read a convolution (`parse_convolutional`)."""
    section.require_known(CONVOLUTION_OPTIONS)
    for key in ("binary", "xnor", "flipped"):
        section.require(key, "0", default="0")
    kernel = section.integer("size", 1, least=1)
    padding = section.integer("padding", 0)
    if padding > kernel // 2:
        raise section.error(f"has padding = {padding}; expected half its size at most", "padding")
    return Convolutional(
        channels=section.integer("filters", least=1),
        kernel=kernel,
        stride=section.integer("stride", 1, least=1),
        padding=kernel // 2 if section.integer("pad", 0) else padding,
        groups=section.integer("groups", 1, least=1),
        batch_norm=section.require("batch_normalize", "0", "1", default="0") == "1",
        activation=_ACTIVATIONS[
            section.require("activation", *sorted(_ACTIVATIONS), default="logistic")
        ],
    )


_ACTIVATIONS: dict[str, str] = {"leaky": "leaky", "linear": "linear", "relu": "relu"}
CONVOLUTION_OPTIONS = {
    *("filters", "size", "stride", "pad", "padding", "groups", "batch_normalize", "activation"),
    *("binary", "xnor", "flipped"),
}


def _read_maxpool(section: Section) -> Maxpool:
    """Read a pooling (`parse_maxpool`); the default padding keeps the size but for the stride."""
    section.require_known({"size", "stride", "padding"})
    stride = section.integer("stride", 1, least=1)
    kernel = section.integer("size", stride, least=1)
    padding = section.integer("padding", kernel - 1)
    if padding // 2 > kernel // 2:
        raise section.error(f"pads by {padding} for windows of {kernel}", "padding")
    return Maxpool(kernel=kernel, stride=stride, padding=padding)


def _add_reorg(network: Network, section: Section) -> None:
    """Add a reorganisation of pixels into channels (`parse_reorg`)."""
    section.require_known({"stride", "reverse", "flatten", "extra"})
    for key in ("reverse", "flatten", "extra"):
        section.require(key, "0", default="0")
    stride, before = section.integer("stride", 1, least=1), _previous_output(network, section)
    if before.channels % stride**2:
        raise section.error(f"has {before.channels} input channels, no multiple of {stride**2}")
    network.add(section, Reorg(stride=stride), before.channels * stride**2, before.stride * stride)


def _add_route(network: Network, section: Section) -> None:
    """Add a concatenation of layers (`parse_route`)."""
    section.require_known({"layers"})
    numbers = section.integers("layers", least=-LARGEST_NUMBER)
    sources = [_output_of(network, section, "layers", number) for number in numbers]
    if len({output.stride for output in sources}) > 1:
        raise section.error("joins maps of different sizes", "layers")
    layers = tuple(output.layer for output in sources if output.layer is not None)
    channels = sum(output.channels for output in sources)
    network.add(section, Route(layers=layers), channels, sources[0].stride)


def _add_shortcut(network: Network, section: Section) -> None:
    """Add the sum of two layers (`parse_shortcut`)."""
    section.require_known({"from", "activation"})
    section.require("activation", "linear", default="linear")
    before = _previous_output(network, section)
    number = section.integer("from", least=-LARGEST_NUMBER)
    other = _output_of(network, section, "from", number)
    if (before.channels, before.stride) != (other.channels, other.stride):
        raise section.error(
            f"adds a map of {other.channels} channels to one of {before.channels}, or of another "
            f"size",
            "from",
        )
    assert other.layer is not None
    network.add(section, Shortcut(other=other.layer), before.channels, before.stride)


def _output_of(network: Network, section: Section, key: str, number: int) -> _Output:
    """Find the output of the layer that an option names: by its number, or counted back."""
    index = number if number >= 0 else len(network.outputs) + number
    if not 0 <= index < len(network.outputs):
        raise section.error(f"names layer {number}, which is not above it", key)
    output = network.outputs[index]
    if output.layer is None:
        raise section.error(f"names layer {number}, which is a prediction", key)
    return output


def _add_connected(network: Network, section: Section) -> None:
    """Add a locally or fully connected layer, which `heads` reads."""
    if section.kind == "dropout":
        return
    if section.kind == "local" and network.connected:
        raise section.error("follows a fully connected layer")
    _previous_output(network, section)
    network.connected.append(section)
    network.in_file.append(section)


def _channels_of_head(section: Section) -> int:
    """Read the channels of the convolution before a prediction, which must be 1 × 1 and linear."""
    layer = _read_convolutional(section)
    if layer != Convolutional(
        channels=layer.channels, kernel=1, padding=0, batch_norm=False, activation="linear"
    ):
        raise section.error(
            "is before a prediction; expected size=1, stride=1, activation=linear and no "
            "batch_normalize"
        )
    return layer.channels


def _add_prediction(network: Network, section: Section, sections: Sequence[Section]) -> None:
    """Add a `region`, `yolo` or `detection`, of which a network has one kind."""
    others = {one.section.kind for one in network.predictions} - {"yolo"}
    if others or (network.predictions and section.kind != "yolo"):
        raise section.error("follows another prediction; expected one, or [yolo] alone")
    if section.kind == "detection":
        if not network.connected:
            raise section.error("does not follow a [connected] layer")
        network.predictions.append(OutputLayer(section, None, network.outputs[-1], 0))
        return
    if len(network.outputs) < 2 or network.outputs[-1].layer is not None or network.connected:
        raise section.error("does not follow a [convolutional] layer")
    head = next(
        one for one in reversed(sections[: sections.index(section)]) if one.kind == "convolutional"
    )
    source = network.outputs[-2]
    if source.layer is None:
        raise head.error("follows a prediction; expected a [route] to an earlier layer")
    network.predictions.append(OutputLayer(section, head, source, network.outputs[-1].channels))
    network.outputs.append(_Output(None))
