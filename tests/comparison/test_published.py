import re

import pytest
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from singleshot.comparison.published import (
    read_published_figures,
    read_published_trade_offs,
    read_tutorial,
)

TUTORIAL = read_tutorial()
SYSTEMS = {system.recipe for system in TUTORIAL.systems}


def test_every_figure_has_a_source_and_either_data_or_hardware():
    figures = read_published_figures()
    assert len(figures) > 40
    for one in figures:
        assert one.source
        assert bool(one.data) != bool(one.hardware)  # an accuracy or a speed
        assert (one.metric == "FPS") == bool(one.hardware)
        assert one.recipe in SYSTEMS


def test_no_figure_is_there_twice():
    keys = [
        (one.system, one.metric, one.data, one.hardware, one.input)
        for one in read_published_figures()
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("table", TUTORIAL.tables, ids=lambda table: table.title)
def test_every_row_has_a_cell_for_each_column_and_a_system(table):
    for row in table.rows:
        assert len(row.cells) == len(table.printed)
        assert row.recipe in SYSTEMS


def test_every_erratum_is_referred_to_and_every_note_is_an_erratum():
    notes = {
        note
        for table in TUTORIAL.tables
        for cells in (table.printed, *(row.cells for row in table.rows))
        for place in (table.notes, *(cell.notes for cell in cells))
        for note in place
    } | {note for system in TUTORIAL.systems for note in system.notes}
    assert notes == set(TUTORIAL.errata)


def test_the_tables_are_as_the_tutorial_prints_them():
    cells = [[cell.cell for cell in row.cells] for table in TUTORIAL.tables for row in table.rows]
    assert cells[0] == ["73.2", "7", "~6000", "~1000 × 600"]
    assert cells[3] == ["79.8", "19", "24564", "512 × 512"]
    assert cells[5] == ["79.8", "83.2", "78.5", "82.2", "28.8", "48.5", "30.3"]
    assert [row[0] for row in cells[6:11]] == ["72.4", "74.9", "57.9", "73.4", "70.4"]
    assert [row[1] for row in cells[11:]] == ["16.3", "8", "45", "34.5", "11.7", "11.7", "6.4"]


def test_the_arithmetic_of_the_errata():
    counts = {
        "multibox": [(64 + 36 + 16) * 11 + 1, (64 + 36 + 16 + 9 + 4) * 11 + 1],
        "yolo-boxes": [7 * 7 * 2, 7 * 7 * 3],
    }
    for erratum, numbers in counts.items():
        for number in numbers:
            assert re.search(rf"\b{number:,}\b", TUTORIAL.errata[erratum])


def test_the_figure_of_torchvisions_faster_rcnn_is_the_one_installed():
    (figure,) = (
        one for one in read_published_figures() if one.recipe == "faster-rcnn-resnet50-fpn"
    )
    measured = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["_metrics"]["COCO-val2017"]
    assert figure.value == measured["box_map"]


def test_printed_accuracies_are_among_the_figures_with_their_data():
    """VOC2007 in the first table, VOC2012 in the third, COCO in the fourth: never mixed."""
    figures = read_published_figures()
    for table, data in ((0, "VOC2007"), (2, "VOC2012"), (3, "COCO")):
        for row in TUTORIAL.tables[table].rows:
            values = {
                one.value
                for one in figures
                if one.recipe == row.recipe and one.data.startswith(data)
            }
            assert float(row.cells[0].cell) in values, row.name


def test_trade_offs_have_a_source_and_those_with_a_speed_its_hardware():
    trade_offs = read_published_trade_offs()
    by_study = [one for one in trade_offs if "table 3" in one.source]
    assert [one.average_precision for one in by_study] == [18.8, 21.6, 31.9, 30.3, 35.6]
    assert {one.framework for one in trade_offs} == {"SSD", "R-FCN", "Faster R-CNN"}
    for one in trade_offs:
        assert one.source
        assert (one.milliseconds is None) == (one.hardware == "")
