# Tests singleshot/exporting/quantization/record.py
# Tests singleshot/exporting/quantization/settings.py

import math
from dataclasses import replace

import numpy as np
import pytest
from cells import COLOURS, make_cells
from small_ssd import make_run

from singleshot.data.opening import open_dataset
from singleshot.exporting.contracts import contract_network
from singleshot.exporting.export import exportable_of
from singleshot.exporting.quantization.gate import Gate, Measurement, NetworkEngine
from singleshot.exporting.quantization.record import QuantizationRecord, TriedSetting
from singleshot.exporting.quantization.settings import QuantizationSetting, ladder_of
from singleshot.models.opening import load_trainable
from singleshot.runtimes.exported import ExportedDetector
from singleshot.runtimes.manifest import Manifest

GOOD = Measurement(0.3, 0.1, -0.4, 0.7, 0.05, 0.02)


class Noisy(NetworkEngine):
    """Outputs with an error of 10 % of their RMS."""

    def run(self, batch):
        random = np.random.default_rng(0)
        return {
            name: one + 0.1 * np.sqrt(np.square(one).mean()) * random.standard_normal(one.shape)
            for name, one in super().run(batch).items()
        }


@pytest.fixture(scope="module")
def gate_and_noisy(tmp_path_factory):
    home = tmp_path_factory.mktemp("gate")
    dataset = open_dataset(make_cells(home / "cells")).with_classes(tuple(COLOURS))
    detector = load_trainable(make_run(home / "run", classes=tuple(COLOURS)), "cpu")
    exportable = exportable_of(detector)
    network = contract_network(exportable, "raw", "uint8")
    manifest = make_manifest(detector, exportable, network)
    gate = Gate(
        dataset, ExportedDetector(manifest, NetworkEngine(network)), max_drop=0.5, max_error=0.12
    )
    return (
        gate,
        ExportedDetector(manifest, Noisy(network)),
        ExportedDetector(manifest, NetworkEngine(network)),
    )


def make_manifest(detector, exportable, network) -> Manifest:
    from singleshot.exporting.export import describe_model
    from singleshot.exporting.formats import find_format_named
    from singleshot.exporting.formats.format import ModelFiles
    from singleshot.exporting.options import ExportOptions

    return describe_model(
        detector,
        exportable,
        find_format_named("onnx"),
        ExportOptions("onnx", contract="raw"),
        ModelFiles((), network.input(1), network.outputs(1)),
    )


def test_the_same_network_loses_nothing(gate_and_noisy):
    gate, _, same = gate_and_noisy
    measured = gate.measure(same)
    assert measured.drop == 0
    assert measured.error == 0
    assert gate.passes(measured)


def test_the_error_is_relative_to_the_outputs(gate_and_noisy):
    gate, noisy, _ = gate_and_noisy
    measured = gate.measure(noisy)
    # Each output has its own RMS; together their errors are still a tenth.
    assert measured.offsets_error == pytest.approx(0.1, abs=0.01)
    assert measured.logits_error == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"drop": 0.5}, True),
        ({"drop": 0.51}, False),
        ({"offsets_error": 0.121}, False),
        ({"logits_error": 0.121}, False),
        ({"offsets_error": math.nan}, False),
        ({"logits_error": math.nan}, False),
        ({"drop": None, "average_precision": None}, True),
    ],
)
def test_both_limits_count(gate_and_noisy, changes, passes):
    gate, *_ = gate_and_noisy
    assert gate.passes(replace(GOOD, **changes)) is passes


def test_a_record_lists_what_was_tried():
    record = QuantizationRecord("train", 100, "test", 50, 0.31, 0.5, 0.12)
    first, second, *_ = ladder_of("minmax", "percentile")
    record.trials += [
        TriedSetting(first, replace(GOOD, drop=0.9), passes=False),
        TriedSetting(second.keeping(frozenset(("stem",))), GOOD, passes=True),
    ]
    assert record.chosen is record.trials[1]
    lines = record.table().splitlines()
    assert "31.00" in lines[1]
    assert "+0.90" in lines[2]
    assert lines[3].endswith("biases corrected, 1 layer in floating point")
    trial = record.to_json()["trials"][1]
    assert trial["float_layers"] == ["stem"]
    assert trial["drop"] == 0.1
    record.trials.append(TriedSetting(first, replace(GOOD, logits_error=math.nan), passes=False))
    assert record.to_json()["trials"][2]["logits_error"] is None


def test_settings_describe_themselves():
    assert str(QuantizationSetting(per_channel=False, correct_biases=False)) == (
        "per-tensor weights, ranges that occurred"
    )
