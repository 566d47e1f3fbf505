# Tests singleshot/cli/report_tables.py

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from command_line import singleshot

from singleshot.cli.report_tables import format_report
from singleshot.evaluation.options import ProtocolName
from singleshot.metrics import BestF1, ClassReport, CocoNumbers, Protocol, Report

DOCUMENT = {
    "protocol": "coco",
    "iou_threshold": 0.5,
    "images": 72,
    "truths": 967,
    "detections": 2310,
    "mean_average_precision": 0.61,
    "per_class": {
        "RBC": {
            "average_precision": 0.61,
            "truths": 819,
            "precision_at_recall": {"0.5": 0.99, "0.8": 0.91, "0.9": 0.0},
            "recall_at_precision": {"0.8": 0.86, "0.9": 0.81, "0.95": 0.7},
            "best_f1": {"f1": 0.85, "score_threshold": 0.41, "precision": 0.86, "recall": 0.84},
        },
        "WBC": {
            "average_precision": None,
            "truths": 0,
            "precision_at_recall": {"0.5": None, "0.8": None, "0.9": None},
            "recall_at_precision": {"0.8": None, "0.9": None, "0.95": None},
            "best_f1": {"f1": None, "score_threshold": None, "precision": None, "recall": None},
        },
    },
    "coco": dict.fromkeys(CocoNumbers._fields, 0.5),
}


@pytest.fixture(autouse=True)
def _without_checks(monkeypatch):
    """Neither the models nor the data sets of these commands exist."""
    for check in ("check_models", "check_data"):
        monkeypatch.setattr(f"singleshot.cli.evaluate.{check}", lambda *_, **__: None)


def report_of(document) -> Report:
    per_class = {
        name: replace(
            # Metrics that are no part of the document are undefined.
            ClassReport.of(None, one["average_precision"], one["truths"]),
            precision_at_recall=by_number(one["precision_at_recall"]),
            recall_at_precision=by_number(one["recall_at_precision"]),
            best_f1=BestF1(**one["best_f1"]),
        )
        for name, one in document["per_class"].items()
    }
    coco = CocoNumbers(**document["coco"])
    own = {"protocol": Protocol(document["protocol"]), "per_class": per_class, "coco": coco}
    return Report(**{**document, **own})


def by_number(values):
    return {float(target): value for target, value in values.items()}


@pytest.fixture
def arguments(monkeypatch):
    """The arguments that singleshot.evaluate is called with; it returns the report above."""
    arguments = {}

    def evaluate(detector, data, *, on_message, **rest):
        arguments.update(rest, detector=detector, data=data)
        on_message("VOC layout, split test")
        return report_of(DOCUMENT)

    monkeypatch.setattr("singleshot.evaluate", evaluate)
    return arguments


@pytest.mark.usefixtures("arguments")
def test_json_is_all_there_is_on_stdout():
    outcome = singleshot("evaluate", "runs/cells", "cells", "--json")
    document = json.loads(outcome.stdout)
    of_classes = document.pop("per_class")
    assert document == {key: value for key, value in DOCUMENT.items() if key != "per_class"}
    assert list(of_classes) == list(DOCUMENT["per_class"])
    for name, numbers in DOCUMENT["per_class"].items():
        assert numbers.items() <= of_classes[name].items()
    assert outcome.stderr == "VOC layout, split test\n"


@pytest.mark.usefixtures("arguments")
def test_the_table_has_a_line_for_every_class():
    outcome = singleshot("evaluate", "runs/cells", "cells")
    expected = [
        "protocol coco: 72 images, 967 truths, 2310 detections; true positives from IoU 0.5",
        "mean average precision at IoU 0.5 to 0.95: 0.610",
        "",
        "COCO     AP   AP50   AP75    APs    APm    APl    AR1   AR10  AR100    ARs    ARm    ARl",
        "      0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500",
        "",
        "class  truths     AP  P@R0.5  P@R0.8  P@R0.9  R@P0.8  R@P0.9  R@P0.95  best F1  at score",
        "RBC       819  0.610   0.990   0.910   never   0.860   0.810    0.700    0.850     0.410",
        "WBC         0      -       -       -       -       -       -        -        -         -",
    ]
    lines = outcome.stdout.splitlines()
    assert lines[:-3] == expected[:-3]
    for line, columns in zip(lines[-3:], expected[-3:], strict=True):
        assert line.startswith(columns)  # those of other metrics follow


def test_the_table_has_the_confidence_interval():
    ends = {"low": 0.57, "high": 0.65}
    interval = {"confidence": 0.95, "images": 70, "mean_average_precision": ends}
    lines = format_report({**DOCUMENT, "confidence_interval": interval}).splitlines()
    assert lines[2] == (
        "its 95% confidence interval: 0.570 to 0.650 (bootstrap over images, 70 with objects)"
    )
    interval["AP50"] = {"low": 0.41, "high": 0.59}
    with_both = format_report({**DOCUMENT, "confidence_interval": interval}).splitlines()[2]
    assert "0.570 to 0.650, of AP50 0.410 to 0.590 (" in with_both
    interval["mean_average_precision"] = {"low": None, "high": None}
    without = format_report({**DOCUMENT, "confidence_interval": interval})
    assert without == format_report(DOCUMENT)


def test_every_option_is_passed_on(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("weather.csv", "others.json"):
        (tmp_path / name).touch()
    options = ["--split", "val", "--protocol", "voc07", "--report", str(tmp_path)]
    options += ["--iou-threshold", "0.7", "--diagnose", "--attributes", "weather.csv"]
    options += ["--against", "others.json", "--threshold-rule", "recall=0.9"]
    outcome = singleshot("evaluate", "m", "d", *options, "--save-predictions", "found.json")
    assert (arguments["detector"], arguments["data"], arguments["split"]) == ("m", "d", "val")
    assert arguments["protocol"] == "voc07"
    assert arguments["report"] == tmp_path
    assert str(arguments["save_predictions"]) == "found.json"
    assert (arguments["iou_threshold"], arguments["diagnose"]) == (0.7, True)
    assert (arguments["threshold_rule"], str(arguments["against"])) == ("recall=0.9", "others.json")
    assert str(arguments["attributes"]) == "weather.csv"
    assert f"Report: {tmp_path / 'report.html'}" in outcome.stderr


def test_the_protocols_are_those_of_the_metrics():
    assert get_args(ProtocolName) == tuple(map(str, Protocol))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "1/4"], "needs a file for its detections: --save-predictions"),
        (["--shard", "1/4", "--save-predictions", "f", "--json"], "run `score` on all of them"),
        (["--shard", "a", "--save-predictions", "f"], "expected a share such as 1/4"),
        (["--threshold-rule", "speed"], "no rule 'speed' to choose a score threshold by"),
        (["--device", "gpu"], "device: 'gpu' is no device; did you mean cuda?"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_loaded(options, message):
    outcome = singleshot("evaluate", "no-such-run", "no-such-data", *options)
    assert outcome.exit_code == 2
    assert message in outcome.stderr


def test_a_new_metric_has_its_columns():
    document = json.loads(json.dumps(DOCUMENT))
    for number, numbers in enumerate(document["per_class"].values()):
        numbers["recall_at_fppi"] = {"0.1": 0.5, "1.0": None if number else 0.75}
        numbers["miss_rate"] = 0.25
    lines = format_report(document).splitlines()
    header, rbc, wbc = lines[-3:]
    assert header.endswith("recall_at_fppi 0.1  recall_at_fppi 1.0  miss_rate")
    assert rbc.split()[-3:] == ["0.500", "0.750", "0.250"]
    assert wbc.split()[-3:] == ["0.500", "-", "0.250"]
