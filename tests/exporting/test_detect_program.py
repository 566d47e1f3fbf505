"""The program of exported folders: what runs there is what the package runs and tests."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_folder import small_manifest
from small_ssd import small_ssd

from singleshot.exporting.detect_program import MODULES, detect_program
from singleshot.runtimes import standalone

FOLDER = Path(standalone.__file__).parent


def definitions_of(source):
    """Functions, classes and constants by name, without comments; refuses a name twice."""
    found = {}
    for node in ast.parse(source).body:
        names = [getattr(node, "name", "")]
        if isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
        for name in names:
            if name and name != "__all__":
                assert name not in found
                found[name] = ast.unparse(node)
    return found


def run_program(path, *words, isolated=()):
    return subprocess.run(
        [sys.executable, *isolated, str(path), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=path.parent,
        env={},
    )


@pytest.fixture
def program(tmp_path):
    (tmp_path / "detect.py").write_text(detect_program())
    return tmp_path / "detect.py"


def test_each_file_is_in_it_and_nothing_else():
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert set(MODULES) == files - {"__init__"}
    expected = {}
    for name in MODULES:
        own = definitions_of((FOLDER / f"{name}.py").read_text())
        assert not own.keys() & expected.keys()  # joined, one would hide the other
        expected |= own
    assert definitions_of(detect_program()) == expected


def test_it_is_python_of_version_3_8_with_numpy_alone():
    source = detect_program()
    tree = ast.parse(source, feature_version=(3, 8))
    tried = [node for one in tree.body if isinstance(one, ast.Try) for node in one.body]
    imported = {
        name.split(".")[0]
        for node in (*tree.body, *tried)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [node.names[0].name])
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy"}
    assert "strict=" not in source  # of zip: Python 3.10's


def test_without_numpy_it_ends_with_2(program):
    # Without site packages there is none.
    done = run_program(program, "a.npy", isolated=("-S", "-I"))
    assert done.returncode == 2
    assert done.stderr == "Error: NumPy is needed; install it with: pip install numpy\n"


def test_it_runs_without_the_package(program):
    assert "--score-threshold" in run_program(program, "--help", isolated=("-I",)).stdout
    (program.parent / "model.json").write_text(small_manifest(small_ssd()).to_text())
    np.save(program.parent / "a.npy", np.zeros((8, 8, 3), np.uint8))
    done = run_program(program, "a.npy", isolated=("-I",))
    assert done.returncode == 2
    assert "model.json: damaged: names no files" in done.stderr


def test_joined_it_detects_as_the_files_do(program, monkeypatch):
    monkeypatch.syspath_prepend(str(program.parent))
    joined = __import__("detect")
    from singleshot.runtimes.standalone import detect

    manifest = json.loads(small_manifest(small_ssd()).to_text())
    random = np.random.default_rng(0)
    outputs = {
        one["name"]: random.standard_normal(one["shape"]).astype(np.float32)
        for one in manifest["outputs"]
    }
    ours, theirs = (
        module.Model(manifest, module.Engine()).postprocess(outputs, (480, 640))
        for module in (joined, detect)
    )
    assert joined.__file__ == str(program)
    assert len(ours) > 10
    np.testing.assert_array_equal(ours, theirs)
