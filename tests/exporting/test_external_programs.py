from __future__ import annotations

import sys

import pytest

from singleshot.errors import RunFailed
from singleshot.exporting.external_programs import run_program


def test_what_it_prints_is_returned(tmp_path):
    code = "import os; print(os.getcwd(), os.environ.get('MODE'))"
    printed = run_program(
        [sys.executable, "-c", code], "it", folder=tmp_path, environment={"MODE": "fast"}
    )
    assert printed == f"{tmp_path} fast\n"


def test_the_last_lines_of_a_failure_are_in_the_error():
    code = "for line in range(9): print('line', line)\nraise SystemExit('no memory')"
    with pytest.raises(RunFailed) as failure:
        run_program([sys.executable, "-c", code], "the converter")
    assert str(failure.value).splitlines() == [
        *("the converter failed:", "line 6", "line 7", "line 8", "no memory")
    ]


def test_a_program_that_is_not_there_is_a_failure(tmp_path):
    with pytest.raises(RunFailed, match=r"pnnx: .*nothing cannot be run: No such file"):
        run_program([str(tmp_path / "nothing")], "pnnx")
