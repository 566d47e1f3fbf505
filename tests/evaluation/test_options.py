"""Options of an evaluation are checked before anything is read or detected."""

import subprocess
import sys
from pathlib import Path

import pytest

from singleshot.errors import SingleshotError, StorageError
from singleshot.evaluation.options import EvaluationOptions, ScoreOptions
from singleshot.metrics import Rule


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou_threshold": 0}, "iou_threshold: 0 is out of bounds; expected 0.01 to 1"),
        ({"threshold_rule": "speed=0.1"}, "no rule 'speed=0.1' to choose a score threshold by"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(SingleshotError, match=message):
        ScoreOptions("cells", **options)


def test_files_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file where a folder"):
        ScoreOptions("cells", report=tmp_path / "file")
    with pytest.raises(StorageError, match="is a folder"):
        EvaluationOptions("cells", save_predictions=tmp_path)


def test_the_rule_is_parsed_and_the_page_has_its_path():
    options = ScoreOptions("cells", threshold_rule="fppi=0.1", report="out")
    assert options.parse_threshold_rule() == Rule.parse("fppi=0.1")
    assert options.page == Path("out/report.html")
    assert ScoreOptions("cells").page is None


def test_the_command_makes_the_page_again():
    options = EvaluationOptions(
        ["cells", "more cells"], split="val", diagnose=True, threshold_rule="f1", report="out"
    )
    assert options.to_command("evaluate", "runs/cells") == (
        "singleshot evaluate runs/cells cells 'more cells' --split val --report out "
        "--diagnose --threshold-rule f1"
    )


def test_options_are_made_without_pytorch():
    code = (
        "import sys; from singleshot.evaluation.options import EvaluationOptions as Options; "
        "Options('cells', split='val'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
