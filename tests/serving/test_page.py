"""The page that a server shows, in a real browser: its detections are those of Python."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import uvicorn
from browser_page import DESK, opened_page, wait_until
from PIL import Image
from playwright.sync_api import Page
from small_ssd import make_images, small_ssd
from starlette.testclient import TestClient
from stubs import BoxDetector

import singleshot
from singleshot.checkpoints.checkpoint import detector_from
from singleshot.importers.tensorflow import read_tensorflow
from singleshot.serving.app import create_app
from singleshot.serving.options import ServingOptions
from singleshot.structures import Detector


@contextmanager
def serving(detector: Detector, **options: Any) -> Iterator[str]:
    """Run a server in a thread on a free port, and give its address."""
    app = create_app(detector, ServingOptions(**options), name="small")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def detections_on(page: Page, files: Sequence[Path]) -> list[list[dict[str, Any]]]:
    """Choose files, and return all their detections, as the page has them."""
    page.set_input_files("#files", list(files))
    done = f"state.items.length === {len(files)} && state.items.every((one) => one.result)"
    wait_until(page, done, seconds=120)
    found = page.evaluate("state.items.map((one) => one.result.detections)")
    assert page.evaluate("state.items.map((one) => one.name)") == [file.name for file in files]
    return found


def require_equal(
    found: list[dict[str, Any]], detector: Detector, file: Path, least: float = 0.05
) -> int:
    """Compare with Python by 1 pixel and 0.01, but for what is at the lowest score; count."""
    expected = singleshot.predict(detector, file, score_threshold=0.01)[0]
    boxes = torch.tensor([one["box"] for one in found]).reshape(-1, 4)
    scores = torch.tensor([one["score"] for one in found])
    compared = 0
    for box, score, name in zip(expected.boxes, expected.scores, expected.names, strict=True):
        if score < least:
            continue
        same = torch.tensor([one["label"] == name for one in found], dtype=torch.bool)
        close = ((boxes - box).abs().amax(dim=1) <= 1) & ((scores - score).abs() <= 0.01)
        assert bool((close & same).any()), (file.name, name, box, score)
        compared += 1
    assert compared == int((scores >= least).sum()), file.name
    return compared


def test_detections_of_a_made_detector_are_pythons(browser, tmp_path):
    detector = small_ssd()
    for index, image in enumerate(make_images(3)):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"{index}.png")
    files = sorted(tmp_path.iterdir())
    with serving(detector) as url, opened_page(browser, url, viewport=DESK) as page:
        found = detections_on(page, files)
        about = page.evaluate(
            "({...state.about, labelIndex: null, priors: [...state.about.priors]})"
        )
        level = page.evaluate("state.items[0].result.detections[0].level")
    assert sum(require_equal(one, detector, file) for one, file in zip(found, files, strict=True))
    priors = detector.priors.boxes_cxcywh_unit.flatten()
    assert about["priors"] == pytest.approx(priors.tolist(), abs=1e-6)
    assert [one["grid"] for one in about["levels"]] == [list(one.grid) for one in detector.levels]
    assert 0 <= level < len(about["levels"])


def test_detections_of_a_real_detector_are_pythons_on_20_images(browser, shared):
    weights = shared / "weights" / "ssdlite_mnv2_coco_tfjs"
    detector = detector_from(read_tensorflow(weights), source="the graph").eval()
    files = sorted((shared / "data" / "tiny_coco" / "val2017").glob("*.jpg"))[:20]
    with serving(detector) as url, opened_page(browser, url, viewport=DESK) as page:
        found = detections_on(page, files)
    compared = [require_equal(one, detector, file) for one, file in zip(found, files, strict=True)]
    assert sum(compared) > 100


def test_a_key_opens_the_page(browser, tmp_path):
    key = "a key that is long enough to be safe"
    keys = tmp_path / "keys.txt"
    keys.write_text(key)
    with (
        serving(BoxDetector(), api_key_file=keys) as url,
        opened_page(browser, url, allowed=lambda text: "401" in text) as page,
    ):
        page.fill("#key", key)
        page.keyboard.press("Enter")
        wait_until(page, "state.source !== null")


def test_the_page_is_not_framed_and_not_part_of_the_interface():
    with TestClient(create_app(BoxDetector(), name="cats & dogs")) as client:
        answer = client.get("/")
        assert "/" not in client.get("/openapi.json").json()["paths"]
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert "cats &amp; dogs" in answer.text
