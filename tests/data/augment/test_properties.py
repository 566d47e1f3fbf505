"""What holds for every training sample, in ten thousand random cases of each augmentation."""

import json
import subprocess
import sys

import augmentation_cases
import pytest


@pytest.fixture(scope="module")
def failures():
    """Run all checks in a process of their own, which does not check types at each call."""
    command = [sys.executable, augmentation_cases.__file__]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", augmentation_cases.CHECKS)
def test_in_ten_thousand_cases(name, failures):
    assert name not in failures, failures[name]


def test_a_check_that_fails_is_reported(monkeypatch, capsys):
    def check():
        raise AssertionError("seed 3")

    monkeypatch.setattr(augmentation_cases, "CHECKS", {"check": check})
    augmentation_cases.main()
    assert "seed 3" in json.loads(capsys.readouterr().out)["check"]
