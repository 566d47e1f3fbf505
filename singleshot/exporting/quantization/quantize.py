"""Quantise a detector for a format: the settings in turn, until one passes the gate."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from singleshot.exporting.contracts import ContractNetwork, contract_network
from singleshot.exporting.formats.format import ExportFormat, ExportJob, ModelFiles, QuantizationJob
from singleshot.exporting.quantization.bias_correction import corrected_biases, folded
from singleshot.exporting.quantization.gate import Gate, NetworkEngine
from singleshot.exporting.quantization.images import CalibrationImages, open_images
from singleshot.exporting.quantization.ladder import find_setting
from singleshot.exporting.quantization.options import QuantizationOptions
from singleshot.exporting.quantization.record import QuantizationRecord, TriedSetting
from singleshot.exporting.quantization.sensitivity import LayerGroup, rank_layers
from singleshot.exporting.quantization.settings import QuantizationSetting
from singleshot.runtimes.exported import ExportedDetector
from singleshot.runtimes.manifest import Manifest
from singleshot.runtimes.standalone import detect as standalone

__all__ = ["quantize"]

# Images that go through the network together: as many as take this many multiply-adds.
CORRECTION_MACS, SENSITIVITY_MACS = 16e9, 6e9
FEWEST, MOST = 4, 32


def quantize(
    form: ExportFormat, job: ExportJob, options: QuantizationOptions, described: Manifest
) -> tuple[ModelFiles, QuantizationRecord]:
    """Write a quantised model to the folder of a job, if one passes the gate.

    Args:
        form: the format, which has int8.
        job: the conversion; its network computes in floating point.
        options: images and limits.
        described: manifest of the detector, whatever its input and outputs.

    Raises:
        RunFailed: no setting passes; the message has the table of what was tried.
        DataError: the images cannot be read.
    """
    assert form.int8 is not None
    network = job.network
    images = open_images(options, network.exportable.class_names, job.notify)
    with ExitStack() as stack:
        workshop = Path(stack.enter_context(TemporaryDirectory()))
        calibration = CalibrationImages.of(images.calibration, network.exportable)
        quantizer = _Quantizer(form, job, calibration, described, workshop)
        gate = Gate(
            images.evaluation,
            quantizer.reference(),
            max_drop=options.max_drop,
            max_error=options.max_error,
        )
        record = QuantizationRecord(
            images.calibration.description,
            len(images.calibration),
            images.evaluation.description,
            len(images.evaluation),
            gate.average_precision,
            options.max_drop,
            options.max_error,
        )

        def try_setting(setting: QuantizationSetting) -> TriedSetting:
            measured = gate.measure(quantizer.trial(setting))
            return TriedSetting(setting, measured, gate.passes(measured))

        setting = find_setting(form.int8, try_setting, quantizer.rank, record, job.notify)
        return quantizer.write(setting), record


@dataclass
class _Quantizer:
    """Makes models of a network by any setting; conversions in floating point are kept."""

    form: ExportFormat
    job: ExportJob
    calibration: CalibrationImages
    described: Manifest
    workshop: Path  # an empty folder

    @cached_property
    def plain(self) -> nn.Module:
        """The network without batch norm."""
        exportable = self.job.network.exportable
        return folded(exportable.network, torch.zeros(1, 3, *exportable.input_size))

    @cached_property
    def corrected(self) -> nn.Module:
        """The network with corrected biases."""
        return corrected_biases(self.plain, self._images(CORRECTION_MACS))

    def reference(self) -> ExportedDetector:
        """Build the detector in floating point, with raw outputs."""
        network = self._network(self.job.network.exportable.network, raw=True)
        files = ModelFiles((), network.input(1), network.outputs(1))
        return ExportedDetector(self._manifest(files), NetworkEngine(network))

    def trial(self, setting: QuantizationSetting) -> ExportedDetector:
        """Quantise with raw outputs, and open the model."""
        folder = self.workshop / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        request = self._request(setting, folder, raw=True)
        assert self.form.int8 is not None
        if self.form.int8.simulate is not None:
            manifest = self._manifest(replace(request.files, precision="int8"))
            return ExportedDetector(manifest, self.form.int8.simulate(request))
        files = self._quantize(request)
        manifest = self._manifest(files)
        engine = standalone.open_engine(folder / files.names[0], manifest.to_json(), 0)
        return ExportedDetector(manifest, engine)

    def write(self, setting: QuantizationSetting) -> ModelFiles:
        """Quantise with the outputs of the job, into its folder."""
        return self._quantize(self._request(setting, self.job.folder, raw=False))

    def rank(self) -> list[LayerGroup]:
        """Rank the layers by what rounding them alone does."""
        return rank_layers(self.plain, self._images(SENSITIVITY_MACS))

    def _quantize(self, request: QuantizationJob) -> ModelFiles:
        assert self.form.int8 is not None
        return replace(self.form.int8.quantize(request), precision="int8")

    def _request(self, setting: QuantizationSetting, folder: Path, *, raw: bool) -> QuantizationJob:
        job, files = self._converted(correct=setting.correct_biases, raw=raw)
        return QuantizationJob(
            job.folder,
            files,
            replace(job, folder=folder),
            setting,
            lambda: self.calibration.batches(files.input),
        )

    def _converted(self, *, correct: bool, raw: bool) -> tuple[ExportJob, ModelFiles]:
        """Convert in floating point; each kind once."""
        key = (correct, raw or self._is_raw)
        if key not in self._conversions:
            folder = self.workshop / f"float-{len(self._conversions)}"
            folder.mkdir()
            network = self._network(self.corrected if correct else self.plain, raw=raw)
            batch = 1 if raw else self.job.batch
            job = replace(self.job, network=network, folder=folder, batch=batch)
            self._conversions[key] = (job, self.form.convert(job))
        return self._conversions[key]

    @cached_property
    def _conversions(self) -> dict[tuple[bool, bool], tuple[ExportJob, ModelFiles]]:
        return {}

    @property
    def _is_raw(self) -> bool:
        """Tell whether the model to write is that of the trials."""
        return self.job.network.contract == "raw" and self.job.batch == 1

    def _network(self, network: nn.Module, *, raw: bool) -> ContractNetwork:
        """Put the contract of the job around a network, or that of the trials."""
        own = self.job.network
        exportable = replace(own.exportable, network=network)
        contract = "raw" if raw else own.contract
        return contract_network(exportable, contract, own.pixels, background=own.background)

    def _manifest(self, files: ModelFiles) -> Manifest:
        """Describe a model of a trial."""
        return files.manifest(self.described.model_copy(update={"contract": "raw"}))

    def _images(self, multiply_adds: float) -> torch.Tensor:
        """Stack as many images as take this many multiply-adds."""
        number = int(multiply_adds / max(self.described.detector.macs, 1))
        number = max(FEWEST, min(MOST, number))
        return self.calibration.normalized(number, self.job.network.exportable)
