"""The guide to the server is true: its requests against a server, and the files for containers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from server_process import server_process
from small_ssd import make_run
from stubs import BoxDetector, encoded_image

from singleshot.options import options_of
from singleshot.serving.app import create_app
from singleshot.serving.options import API_KEY, ServingOptions

FILES = Path(__file__).resolve().parents[2] / "docs/how-to/files"
PAGE = FILES.parent.joinpath("serve.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_requests_of_the_page_are_answered(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("cell.jpg").write_bytes(encoded_image())
    with server_process() as server:
        lines = [line for block in blocks("sh") for line in block.splitlines()]
        for line in lines:
            if not line.startswith(("pip ", "singleshot ")):
                command = line.replace(":8000", f":{server.port}")
                done = subprocess.run(
                    ["sh", "-c", command], capture_output=True, text=True, check=True
                )
                assert line.startswith("openssl") or '"detections": [{' in done.stdout
        client = blocks("py")[0].replace(":8000", f":{server.port}")
        exec(compile(client, "<page>", "exec"), {})
    assert "dog 1.0 [0.0, 0.0, 40.0, 30.0]" in capsys.readouterr().out


def test_the_application_of_the_page_has_the_routes_that_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs/cells")
    names: dict[str, object] = {}
    exec(compile(blocks("py")[1], "<page>", "exec"), names)
    with TestClient(names["application"]) as client:
        headers = {"Content-Type": "image/jpeg"}
        answer = client.post("/cells/v1/detect", content=encoded_image(), headers=headers)
        assert answer.status_code == 200
        assert client.get("/cells/v1/model").json()["name"] == "cells"


def test_the_page_has_the_defaults_of_the_limits():
    rows = dict(re.findall(r"^\| `(--[a-z-]+)` ([\d.]+)", PAGE, re.MULTILINE))
    defaults = {one.flag: one.default for one in options_of(ServingOptions)}
    assert len(rows) == 5
    assert {flag: float(number) for flag, number in rows.items()} == {
        flag: defaults[flag] for flag in rows
    }


def test_the_page_lists_every_metric():
    text = create_app(BoxDetector()).state.service.metrics.to_text().decode()
    names = set(re.findall(r"^# TYPE (singleshot_\w+) (?!gauge)\w+$", text, re.MULTILINE))
    names |= {"singleshot_images_admitted", "singleshot_images_waiting"}
    for name in names:
        assert name.removesuffix("_created") in PAGE


def test_the_image_runs_a_command_that_there_is_without_root():
    lines = re.sub(r"\\\n\s*", "", (FILES / "serve.Dockerfile").read_text()).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    assert steps[0] == ["FROM", "python:3.11-slim"]
    order = [step for step, _ in steps]
    assert order.index("USER") > order.index("RUN")
    last = dict(steps)
    assert int(last["USER"]) > 0
    assert yaml.safe_load(last["ENTRYPOINT"])[:3] == ["singleshot", "serve", "/model"]
    health = last["HEALTHCHECK"].partition("CMD ")[2]
    compile(yaml.safe_load(health)[-1], "<health>", "exec")
    assert "/readyz" in health


def test_the_manifest_fits_the_server():
    deployment, service, budget = yaml.safe_load_all((FILES / "serve.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    flags = {one.flag for one in options_of(ServingOptions)}
    given = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert set(given) <= flags
    longest = float(given["--drain-seconds"]) + ServingOptions().body_seconds
    assert pod["terminationGracePeriodSeconds"] > longest
    assert container["env"][0]["name"] == API_KEY
    with TestClient(create_app(BoxDetector())) as client:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert client.get(container[probe]["httpGet"]["path"]).status_code == 200
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]


def test_the_manifest_is_valid_for_kubernetes():
    validate = pytest.importorskip("kubernetes_validate")
    for document in yaml.safe_load_all((FILES / "serve.yaml").read_text()):
        validate.validate(document, "1.34", strict=True)
