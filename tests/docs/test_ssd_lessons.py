"""Numbers of the tutorial's lessons 9 to 16 against the package, the slides and the annotation."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import singleshot

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.append(str(DOCS))


def figures(name):
    return import_module(f"tutorial.figures.{name}")


def test_the_photograph_is_annotated_as_in_its_data_set(shared):
    cells = figures("blood_cells")
    dataset = singleshot.open_dataset(str(shared / "data/bccd"), "test")
    same = next(
        sample
        for sample in map(dataset.__getitem__, range(len(dataset)))
        if sample.name.endswith("BloodImage_00057.jpg")
    )
    assert torch.equal(same.image, cells.sample().image)
    assert torch.equal(same.truth.boxes, cells.BOXES)
    assert torch.equal(same.truth.labels, cells.LABELS)


def test_the_steps_of_the_loss_add_up_to_the_package_s(lessons):
    loss = figures("matching_and_loss")
    assert (loss.num_matched, loss.num_negatives) == (16, 48)
    assert loss.total == loss.of_library
    # Once more in plain PyTorch: smooth L1 of matches, cross-entropy of matches and negatives.
    chosen = loss.positive | loss.negative
    by_hand = F.smooth_l1_loss(loss.predicted, loss.targets, reduction="sum")
    by_hand += F.cross_entropy(
        loss.outputs.logits[0][chosen], loss.columns[chosen], reduction="sum"
    )
    assert f"{float(by_hand) / 16:.3f}" == loss.total
    assert f"**{loss.total}**" in lessons["13-matching-and-loss"].to_page()


def test_the_code_of_the_loss_starts_from_the_prior_of_the_figure():
    loss, names = figures("matching_and_loss"), {}
    text = (DOCS / "tutorial/13-matching-and-loss.md").read_text()
    exec(
        "\n".join(line for line in text.splitlines() if line.startswith(("prior =", "truth ="))),
        names,
    )
    torch.testing.assert_close(
        torch.tensor(names["prior"]), loss.priors_cxcywh[loss.chosen_prior], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        torch.tensor(names["truth"]), loss.matched.boxes_unit[loss.chosen], atol=1e-5, rtol=0
    )


def test_white_cells_match_on_the_coarse_grid_alone_and_red_cells_on_the_fine_one():
    priors = figures("priors")
    of_label = {label: set() for label in (0, 1, 2)}
    for prior, one in priors.matched.items():
        of_label[int(priors.LABELS[one])].add(prior >= priors.num_fine)
    assert of_label == {0: {False}, 1: {False}, 2: {True}}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (0, "| SSD300* (VGG16) | 77.2 | 46 | 8732 | 300 × 300 |"),
        (1, "| COCO, IoU 0.75 | 25.8 | 30.3 |"),
        (2, "| YOLOv1 | 57.9 | 45 | 98<sup>3</sup> | 20 | 448 × 448 |"),
        (3, "| DSSD513 | 53.3 | 6.4 |"),
    ],
)
def test_the_tables_are_those_of_the_slides(table, expected):
    assert expected in figures("comparison").printed(table)


def test_every_erratum_of_a_table_stands_below_it():
    comparison = figures("comparison")
    for number, table in enumerate(comparison.tutorial.tables):
        cells = [*table.printed, *(cell for row in table.rows for cell in row.cells)]
        notes = {*table.notes, *(note for cell in cells for note in cell.notes)}
        text = comparison.printed(number)
        assert all(comparison.tutorial.errata[note] in text for note in notes)


def test_seven_systems_have_speed_and_accuracy_in_the_same_setting():
    pairs = figures("comparison").pairs_on_voc()
    assert ("SSD300", 46.0, 77.2) in pairs
    assert ("YOLOv2 at 416", 67.0, 76.8) in pairs
    assert len(pairs) == 7


def test_measured_tables_are_read_with_all_their_rows():
    device = figures("to_a_device")
    assert len(device.latency_table().splitlines()) >= 2 + 5
    assert device.total_ms("OpenVINO", "int8") < device.total_ms("PyTorch", "float32")
    with pytest.raises(ValueError, match="no table below"):
        figures("results").read_table("latency.md", "no such heading")


def test_a_log_is_recorded_as_averages_and_evaluations(tmp_path, monkeypatch):
    record = import_module("tutorial.record")
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    step = '{{"kind": "step", "time": {0}, "step": {0}, "localization": {0}, '
    step += '"classification": 2, "learning_rate": 0.1}}\n'
    lines = [step.format(number) for number in range(1, 12)]
    lines.append(
        '{"kind": "evaluation", "time": 12, "step": 11, "mean_average_precision": 0.5, "AP50": 1}\n'
    )
    (tmp_path / "log.jsonl").write_text("".join(lines))
    record.record_log(str(tmp_path), "short")
    _, first, second, evaluation = (tmp_path / "short.csv").read_text().splitlines()
    assert first == "5,3,2,0.1,,,4"
    assert second == "10,8,2,0.1,,,9"
    assert evaluation == "11,,,,0.5000,1.0000,11"
