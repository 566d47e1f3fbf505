"""The files for clusters that the documentation hands out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[2] / "docs/how-to/files"


def require_shell(text: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    done = subprocess.run([bash, "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_slurm_job_is_a_shell_script():
    text = (FILES / "train.sbatch").read_text()
    assert text.startswith("#!/bin/bash\n#SBATCH ")
    require_shell(text)


def test_the_kubernetes_job_has_a_pod_for_each_machine_that_torchrun_expects():
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all((FILES / "train.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (command,) = container["args"]
    require_shell(command)
    assert job["spec"]["completionMode"] == "Indexed"
    assert f"--nnodes {job['spec']['completions']} " in command
    assert pod["subdomain"] == service["metadata"]["name"]
    assert f"--rdzv-endpoint {job['metadata']['name']}-0.{pod['subdomain']}:" in command
    assert f"--nproc-per-node {container['resources']['limits']['nvidia.com/gpu']} " in command
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
