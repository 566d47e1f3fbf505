from __future__ import annotations

import json
from typing import get_type_hints

import pytest
from command_line import singleshot

from singleshot.cli.evaluate import evaluate
from singleshot.metrics import CocoNumbers, Protocol, Report

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


@pytest.fixture
def asked(monkeypatch):
    """What the Python call was given; it answers with the report above."""
    given = {}

    def answer(detector, data, *, say, **rest):
        given.update(rest, detector=detector, data=data)
        say("VOC layout, split test")
        return Report.from_json(DOCUMENT)

    monkeypatch.setattr("singleshot.api.evaluate", answer)
    return given


@pytest.mark.usefixtures("asked")
def test_json_is_all_there_is_on_stdout():
    outcome = singleshot("evaluate", "runs/cells", "cells", "--json")
    assert json.loads(outcome.stdout) == DOCUMENT
    assert outcome.stderr == "VOC layout, split test\n"


@pytest.mark.usefixtures("asked")
def test_the_table_has_a_line_for_every_class():
    outcome = singleshot("evaluate", "runs/cells", "cells")
    assert outcome.stdout.splitlines() == [
        "protocol coco: 72 images, 967 truths, 2310 detections",
        "mean average precision: 0.610",
        "",
        "COCO     AP   AP50   AP75    APs    APm    APl    AR1   AR10  AR100    ARs    ARm    ARl",
        "      0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500  0.500",
        "",
        "class  truths     AP  P@R0.5  P@R0.8  P@R0.9  R@P0.8  R@P0.9  R@P0.95  best F1  at score",
        "RBC       819  0.610   0.990   0.910   0.000   0.860   0.810    0.700    0.850     0.410",
        "WBC         0      -       -       -       -       -       -        -        -         -",
    ]


def test_every_option_arrives(asked, tmp_path):
    options = ["--split", "val", "--protocol", "voc07", "--report", str(tmp_path)]
    outcome = singleshot("evaluate", "m", "d", *options, "--save-predictions", "found.json")
    assert (asked["detector"], asked["data"], asked["split"]) == ("m", "d", "val")
    assert asked["protocol"] == "voc07"
    assert asked["report"] == tmp_path
    assert str(asked["save_predictions_to"]) == "found.json"
    assert f"Report: {tmp_path / 'report.html'}" in outcome.stderr


def test_the_protocols_are_those_of_the_metrics():
    assert get_type_hints(evaluate)["protocol"].__args__ == tuple(map(str, Protocol))
