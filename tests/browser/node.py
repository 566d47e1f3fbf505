"""Run the JavaScript of the package in Node, on arrays of NumPy."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "singleshot" / "browser"
OLDEST = 20  # major version of Node, whose modules need no package.json


def run_in_node(script: str, document: Any) -> Any:
    """Run a script that maps `document` to `result`; skip the test where there is no Node.

    It imports from the package's folder as `${sources}`.
    """
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < OLDEST:
        pytest.skip(f"needs Node {OLDEST}, found {version.stdout.strip()}")
    around = (
        'import { readFileSync, writeFileSync } from "node:fs";\n'
        'const document = JSON.parse(readFileSync(0, "utf8"));\n'
        "let result;\n"
        f"{script.replace('${sources}', SOURCES.as_uri())}\n"
        "writeFileSync(1, JSON.stringify(result));\n"
    )
    finished = subprocess.run(
        [program, "--input-type=module", "--eval", around],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)
