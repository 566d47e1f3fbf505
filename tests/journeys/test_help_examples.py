"""What a help text ends with can be pasted where there is a data set `cells`."""

# Tests singleshot/cli/data/coverage.py
# Tests singleshot/cli/data/preview.py
# Tests singleshot/inspection/coverage/tables.py
# Tests singleshot/inspection/preview/tables.py
# Tests singleshot/cli/data/__init__.py
# Tests singleshot/cli/data/convert.py

from __future__ import annotations

import pytest
from command_line import help_examples, singleshot


@pytest.mark.usefixtures("cells_run")
@pytest.mark.parametrize(
    "command",
    [
        "benchmark",
        "evaluate",
        "predict",
        "models list",
        "models show",
        "export",
        "data check",
        "data convert",
        "data coverage",
        "data preview",
    ],
)
def test_the_examples_of_a_help_text_work(command):
    for _, *words in help_examples(command):
        done = singleshot(*words)
        assert done.exit_code == 0, done.stderr
        assert done.stdout


def test_the_first_example_of_training_works(cells_run):
    first, _ = help_examples("train")
    assert cells_run == first[-1]
    done = singleshot(*first[1:-1], "runs/example", "--set", "training.epochs=1")
    assert done.exit_code == 0, done.stderr
