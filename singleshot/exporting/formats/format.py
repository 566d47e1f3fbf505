"""A format of exported models: its name, what it supports, and what converts to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleshot.errors import SingleshotError
from singleshot.exporting.quantization.settings import QuantizationSetting
from singleshot.runtimes.manifest import Contract, Manifest, ModelInput, ModelOutput, Precision

if TYPE_CHECKING:
    import numpy as np

    from singleshot.exporting.contracts import ContractNetwork, PixelForm
    from singleshot.exporting.options import ExportOptions
    from singleshot.runtimes.standalone.detect import Engine
else:
    # Formats are read without PyTorch.
    np = ContractNetwork = Engine = ExportOptions = PixelForm = Any

__all__ = [
    "Companions",
    "ExportFormat",
    "ExportJob",
    "Int8Support",
    "ModelFiles",
    "QuantizationJob",
    "TargetForm",
]


@dataclass(frozen=True)
class ModelFiles:
    """The files that a conversion wrote, and the input and outputs that their model has."""

    names: tuple[str, ...]  # within the folder; the one to open first
    input: ModelInput
    outputs: tuple[ModelOutput, ...]
    precision: Precision = "float32"
    # What a compiler reckons of the device: cycles, time, memory.
    estimates: Mapping[str, Any] = field(default_factory=dict)

    def manifest(self, detector: Manifest) -> Manifest:
        """Copy the manifest of a detector, with the input and outputs of this model."""
        names = ("input", "outputs", "precision")
        return detector.model_copy(update={name: getattr(self, name) for name in names})


@dataclass(frozen=True)
class ExportJob:
    """A network to convert into files."""

    network: ContractNetwork
    batch: int  # images at once; 0: any number
    precision: Precision
    target: str | None
    folder: Path  # for the files; it exists
    notify: Callable[[str], None]  # called with each message
    input_name: str = "images"
    make_environment: bool = False  # of a converter that needs one of its own

    def described(self, *names: str) -> ModelFiles:
        """Describe files whose model has the input and outputs of the network itself."""
        return ModelFiles(
            names,
            self.network.input(self.batch, self.input_name),
            self.network.outputs(self.batch),
            self.precision,
        )


@dataclass(frozen=True)
class TargetForm:
    """Input and outputs of a target, where they are others than the format's own."""

    contract: Contract
    pixels: PixelForm
    input_name: str = "images"
    background: bool = False  # a first column of it in the scores


@dataclass(frozen=True, slots=True)
class QuantizationJob:
    """A model in floating point to quantise."""

    source: Path  # folder of the model in floating point, as `convert` wrote it
    files: ModelFiles  # in that folder
    job: ExportJob  # that conversion, of that network; its folder is that of the model to write
    setting: QuantizationSetting
    batches: Callable[[], Iterator[np.ndarray]]  # calibration images as the model takes them


@dataclass(frozen=True, slots=True)
class Int8Support:
    """Quantisation by a format: settings to try in turn, and the function that applies one."""

    quantize: Callable[[QuantizationJob], ModelFiles]
    ladder: tuple[QuantizationSetting, ...]
    mixed_precision: bool = True  # whether single layers can stay in floating point
    # Runs the quantised model where its runtime is on the device only; it takes batches likewise.
    simulate: Callable[[QuantizationJob], Engine] | None = None


@dataclass(frozen=True, slots=True)
class Companions:
    """Files of a format's own that accompany the model, in place of programs in Python and C++."""

    # Raises SingleshotError where something is missing that `write` needs.
    require: Callable[[ExportOptions], None]
    write: Callable[[Path, Manifest, ExportOptions], None]  # into the folder of the model


@dataclass(frozen=True)
class ExportFormat:
    """A format that `export` can write."""

    name: str
    about: str
    contracts: tuple[Contract, ...]
    extra: str  # of this package, with all that the conversion needs
    modules: tuple[str, ...]  # of that extra
    convert: Callable[[ExportJob], ModelFiles]
    runtime: str  # what pip installs to run a model
    note: str = ""  # on that, in the README of a folder
    finish: Callable[[Path, Manifest], None] | None = None  # write the manifest into the model
    pixels: PixelForm = "uint8"  # the default
    other_pixels: tuple[PixelForm, ...] = ()  # that it takes as well
    half: Precision | None = None  # the 16-bit floats of `--half`
    any_batch: bool = False
    single_image: tuple[Contract, ...] = ()  # contracts whose models take one image at a time
    targets: tuple[str, ...] = ()
    target_forms: Mapping[str, TargetForm] = field(default_factory=dict)
    int8: Int8Support | None = None  # None: there is none
    only_int8: bool = False
    takes_ranges: bool = False  # of feature maps, learned in training: QuantizeLinear
    companions: Companions | None = None  # None: programs and a README, as of most formats

    def default_contract(self, target: str | None) -> Contract:
        """Return the contract of a target, else `decoded`, where the format has it."""
        form = self.target_forms.get(target or "")
        if form is not None:
            return form.contract
        return "decoded" if "decoded" in self.contracts else self.contracts[0]

    def require_modules(self) -> None:
        """Raise SingleshotError, with what to install, where a package is missing."""
        if missing := [name for name in self.modules if find_spec(name) is None]:
            raise SingleshotError(
                f"{' and '.join(missing)} needed to export to {self.name}; install with: "
                f"pip install 'singleshot[{self.extra}]'"
            )

    def require_support(
        self, *, contract: Contract, pixels: PixelForm | None, target: str | None
    ) -> None:
        """Raise SingleshotError for a contract, pixels or a target that the format does not have.

        `pixels` may be left open.
        """
        if contract not in self.contracts:
            raise SingleshotError(
                f"contract: {self.name} has no {contract!r}; it has {', '.join(self.contracts)}"
            )
        if target is not None and target not in self.targets:
            known = ", ".join(self.targets)
            remedy = f"it has {known}" if known else "leave --target out"
            raise SingleshotError(f"target: {self.name} has no target {target!r}; {remedy}")
        form = self.target_forms.get(target or "")
        if form is not None and contract != form.contract:
            raise SingleshotError(
                f"contract: the target {target!r} takes {form.contract!r}, not {contract!r}; leave "
                f"--contract out"
            )
        taken = (self.pixels, *self.other_pixels) if form is None else (form.pixels,)
        if pixels is not None and pixels not in taken:
            who = self.name if form is None else f"the target {target!r}"
            raise SingleshotError(f"pixels: {who} takes {' or '.join(taken)}, not {pixels}")
