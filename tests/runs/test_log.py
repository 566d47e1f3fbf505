"""Lines of log.jsonl: a key for each term of the loss."""

import json

import pytest

from singleshot.runs.callbacks import StartRecord, StepRecord
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import RunLog, curve_points, loss_terms, step_line


def record(losses: dict[str, float]) -> StepRecord:
    return StepRecord(
        step=3,
        num_steps=10,
        epoch=1,
        num_epochs=2,
        losses=losses,
        num_matches=7,
        gradient_norm=1.5,
        learning_rate=0.01,
        images_per_second=40.0,
        seconds_waiting=0.1,
        seconds_left=9.0,
    )


def test_a_step_of_an_ssd_has_the_keys_of_earlier_versions():
    line = step_line(record({"localization": 2.0, "classification": 4.0}))
    assert line["localization"] == 2.0
    assert line["classification"] == 4.0
    assert line["distillation"] is None
    assert line["matched_priors"] == 7
    assert not {"losses", "num_matches"} & line.keys()


def test_terms_come_back_by_name_and_have_curves():
    losses = {"localization": 2.0, "objectness": 1.0, "distillation": 0.5}
    line = {"kind": "step", "time": 1.0, **step_line(record(losses))}
    assert loss_terms(line) == losses
    assert curve_points(line)["loss/objectness"] == 1.0
    assert curve_points(line)["matched_priors"] == 7


def test_a_validation_has_no_losses():
    line = {"kind": "evaluation", "step": 3, "epoch": 1, "mean_average_precision": 0.5, "AP50": 0.7}
    assert loss_terms(line) == {}
    assert curve_points(line) == {"validation/mean_average_precision": 0.5, "validation/AP50": 0.7}


@pytest.mark.parametrize("validated", [0, 4])
def test_the_image_of_the_last_validation_is_drawn_anew_also_of_the_one_before_training(
    tmp_path, monkeypatch, validated
):
    drawn = []
    monkeypatch.setattr(
        RunLog, "draw_image", lambda _, name, _path, step: drawn.append((name, step))
    )
    log = RunLog(RunFolder(tmp_path))
    start = StartRecord(
        num_steps=8, num_epochs=2, first_step=validated, validated=validated, batch_size=3
    )
    log.on_start(start)
    log.on_finish()
    assert ("validation", validated) not in drawn
    line = {"kind": "evaluation", "step": validated, "mean_average_precision": 0.5}
    (tmp_path / "log.jsonl").write_text(json.dumps(line) + "\n")
    log.on_start(start)
    log.on_finish()
    assert drawn[-1] == ("validation", validated)
