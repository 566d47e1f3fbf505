"""A classification network as a backbone: cut at its feature maps, and partly frozen."""

from abc import abstractmethod
from collections import Counter
from typing import Any

import torch
from jaxtyping import Float
from timm.layers import BatchNormAct2d
from timm.models import get_notrace_modules
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter
from torch.fx.node import Argument, Target
from torchvision.models.feature_extraction import create_feature_extractor

from singleshot.backbones.backbone import Backbone
from singleshot.backbones.folding import fold_batch_norm, frozen_batch_norm, replace_module
from singleshot.errors import ModelError

__all__ = ["ClassifierBackbone", "Nodes"]

TRACED_SIDE = 256  # pixels of an image whose feature maps are looked at


class Nodes(nn.Module):
    """A network that gives the outputs of some of its layers, without the layers after the last.

    Weights keep their names in the network.
    """

    def __init__(self, network: nn.Module, names: tuple[str, ...], place: str) -> None:
        super().__init__()
        # timm's batch norm with activation stays one layer, so that it can be found and folded.
        opaque = {"leaf_modules": [*get_notrace_modules(), BatchNormAct2d]}
        try:
            self.network = create_feature_extractor(
                network, {name: name for name in names}, tracer_kwargs=opaque
            )
        except ValueError as error:
            raise ModelError(f"backbone {place}: model.backbone.nodes: {error}") from error

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map for each name."""
        return list(self.network(images).values())

    def last_layers(self) -> dict[int, str]:
        """Name the last layer of each stride up to the coarsest map, in the order of computing."""
        training = self.network.training
        tracer = _StrideTracer(self.network.eval())
        tracer.run(torch.zeros(1, 3, TRACED_SIDE, TRACED_SIDE))
        self.network.train(training)
        return tracer.last_layers


class _StrideTracer(Interpreter):
    """Runs a traced network layer by layer, and notes the stride of each output."""

    def __init__(self, network: GraphModule) -> None:
        super().__init__(network)
        self.last_layers: dict[int, str] = {}
        self.calls: Counter[str] = Counter()

    def call_module(
        self, target: Target, args: tuple[Argument, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a layer."""
        output = super().call_module(target, args, kwargs)
        name = str(target)
        # The feature extractor's name of a layer that is used again.
        node = f"{name}_{self.calls[name]}" if self.calls[name] else name
        self.calls[name] += 1
        if isinstance(output, Tensor) and output.ndim == 4:
            self.last_layers[TRACED_SIDE // output.shape[-1]] = node
        return output


class ClassifierBackbone(Backbone):
    """A classification network that gives feature maps."""

    def __init__(self, name: str, body: nn.Module) -> None:
        """`body` gives the feature maps as a list; `name` is used in errors."""
        super().__init__()
        self.name = name
        self.body = body

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Compute a feature map for each level."""
        features: list[Tensor] = self.body(images)
        return features

    @abstractmethod
    def create_whole(self) -> nn.Module:
        """Create the library's whole network of this name, with random weights."""

    def classifier_names(self) -> set[str]:
        """Name the tensors of the whole network, class layer included."""
        with torch.random.fork_rng(devices=[]):
            return set(self.create_whole().state_dict())

    @property
    def weights(self) -> nn.Module:
        """The module whose weights have the library's names."""
        return self.body.network if isinstance(self.body, Nodes) else self.body

    def freezable(self) -> tuple[nn.Module, list[int]]:
        """Return a module whose outputs can be frozen up to, with their strides: the levels."""
        return self.body, self.strides()

    def strides(self) -> list[int]:
        """Return the strides of the levels, finest first."""
        image = torch.zeros(1, 3, TRACED_SIDE, TRACED_SIDE)
        return [TRACED_SIDE // feature.shape[-1] for feature in self(image)]

    def freeze(self, up_to_stride: int, *, batch_norm: bool) -> None:
        """Freeze stages up to a stride, and with `batch_norm` the statistics of all batch norms.

        Frozen statistics are folded into the convolutions: call this after weights are loaded.
        """
        if not (up_to_stride or batch_norm):
            return
        frozen = self.parameters_below(up_to_stride) if up_to_stride else set()
        modules = {name.rpartition(".")[0] for name in frozen}

        def keeps_statistics(name: str) -> bool:
            return batch_norm or name in modules

        fold_batch_norm(self.body, torch.zeros(1, 3, 64, 64), where=keeps_statistics)
        for name, module in list(self.body.named_modules()):
            # One that follows no convolution cannot be folded.
            if isinstance(module, nn.BatchNorm2d) and keeps_statistics(name):
                replace_module(self.body, name, frozen_batch_norm(module))
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(name.rpartition(".")[0] not in modules)

    def parameters_below(self, stride: int) -> set[str]:
        """Find the parameters that the feature map at this stride depends on, by name."""
        body, available = self.freezable()
        if stride not in available:
            raise ModelError(
                f"backbone {self.name!r} has feature maps at strides {available}, so it cannot be "
                f"frozen up to {stride}"
            )
        training = body.training
        feature = body.eval()(torch.rand(1, 3, 64, 64))[available.index(stride)]
        body.train(training)
        names, parameters = zip(*body.named_parameters(), strict=True)
        gradients = torch.autograd.grad(feature.sum(), parameters, allow_unused=True)
        return {name for name, grad in zip(names, gradients, strict=True) if grad is not None}
