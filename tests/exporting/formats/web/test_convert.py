"""The web export in a browser: the same detections as in Python, without a network."""

from __future__ import annotations

import base64
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from PIL import Image
from playwright.sync_api import Error
from small_ssd import make_images, make_run, small_recipe, unchecked_shapes
from web_runtime import web_runtime

import singleshot
from singleshot.data.image_files.decoding import read_image
from singleshot.errors import SingleshotError

# Detect in a file as the page does.
DETECT = """
async (content) => {
  globalThis.source ??= await openSource();
  const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
  const frame = await frameOfBlob(new Blob([bytes]), "image");
  return source.detect(frame, { scoreThreshold: 0 });
}
"""
ABOUT = "async () => (globalThis.source = await openSource(), {...source, detect: null})"
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def export(folder, **overrides):
    """Export a detector with random weights for the web."""
    run = make_run(folder / "run", small_recipe(**overrides))
    with unchecked_shapes():
        singleshot.export(
            run, "web", output=folder / "web", skip_timing=True, runtime=web_runtime()
        )
    return folder / "web"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def served(exported):
    """Serve the folder as `python -m http.server` does, and with the headers of isolation."""
    servers = {}
    for isolated in (False, True):

        class Handler(SimpleHTTPRequestHandler):
            headers_sent = ISOLATED if isolated else {}

            def end_headers(self):
                for name, value in self.headers_sent.items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, *_):
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(exported)))
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers[isolated] = server
    yield {
        isolated: f"http://127.0.0.1:{one.server_address[1]}" for isolated, one in servers.items()
    }
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def page(browser):
    """A page without a network, and what it requests."""
    context = browser.new_context()
    opened = context.new_page()
    opened.requests = []
    opened.on("request", lambda request: opened.requests.append(request.url))
    yield opened
    context.close()


def detect_in_page(page, path):
    return page.evaluate(DETECT, base64.b64encode(path.read_bytes()).decode())


def require_same(answer, detections, names, *, pixels=0.02, score=1e-4):
    """Fail unless each detection has its partner."""
    found = answer["detections"]
    assert len(found) == len(detections) > 10
    left = list(range(len(found)))
    for box, value, label in zip(
        detections.boxes.tolist(),
        detections.scores.tolist(),
        detections.labels.tolist(),
        strict=True,
    ):
        partner = next(
            one
            for one in left
            if found[one]["label"] == names[label]
            and abs(found[one]["score"] - value) < score
            and all(abs(a - b) < pixels for a, b in zip(found[one]["box"], box, strict=True))
        )
        left.remove(partner)


def test_the_folder_has_the_page_the_model_and_a_licence(exported):
    assert {one.name for one in exported.iterdir()} == {
        "index.html",
        "model.onnx",
        "model.json",
        "LICENSE-onnxruntime.txt",
    }


@pytest.mark.parametrize("resize", ["antialias", "torchvision"])
def test_detections_are_those_of_python(page, tmp_path, resize):
    folder = export(tmp_path, resize=resize)
    detector = singleshot.load(folder)
    page.context.set_offline(True)
    page.goto((folder / "index.html").as_uri())
    for index, image in enumerate(make_images()):
        path = tmp_path / f"{index}.png"
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
        answer = detect_in_page(page, path)
        assert (answer["height"], answer["width"]) == image.shape[1:]
        [expected] = detector.detect([image])
        require_same(answer, expected, detector.class_names)


def test_photographs_are_decoded_as_in_python(page, exported, shared):
    detector = singleshot.load(exported)
    page.goto((exported / "index.html").as_uri())
    paths = sorted((shared / "data" / "tiny_coco" / "val2017").glob("*.jpg"))[:20]
    assert len(paths) == 20
    for path in paths:
        [expected] = detector.detect([read_image(path)])
        require_same(
            detect_in_page(page, path), expected, detector.class_names, pixels=1, score=0.01
        )


def test_nothing_is_requested_but_the_page(page, served):
    page.goto(f"{served[False]}/index.html")
    page.evaluate(ABOUT)
    beside = [one for one in page.requests if not one.startswith("blob:")]
    assert beside == [f"{served[False]}/index.html"]
    with pytest.raises(Error, match="Failed to fetch"):
        page.evaluate("(url) => fetch(url)", f"{served[False]}/model.json")


def test_threads_need_a_page_that_is_isolated(page, served, exported, tmp_path):
    detector = singleshot.load(exported)
    path = tmp_path / "image.png"
    image = make_images()[0]
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    for isolated, expected in ((False, "in one thread"), (True, "threads")):
        page.goto(f"{served[isolated]}/index.html")
        about = page.evaluate(ABOUT)
        assert (about["threads"] > 1) == isolated
        assert expected in about["notes"][0]
        require_same(detect_in_page(page, path), detector.detect([image])[0], detector.class_names)


def test_levels_and_priors_are_described(page, exported):
    detector = singleshot.load(exported)
    page.goto((exported / "index.html").as_uri())
    about = page.evaluate(ABOUT)["about"]
    assert about["name"] == "run"  # the folder's
    assert about["labels"] == list(detector.class_names)
    assert sum(one["numPriors"] for one in about["levels"]) == len(about["priors"]) / 4
    for level, record in zip(about["levels"], detector.manifest.decoding.levels, strict=True):
        rows, columns = level["grid"]
        assert (rows, columns) == record.grid
        assert level["stride"] == pytest.approx([64 / rows, 96 / columns], rel=1e-4)


def test_progress_of_opening_is_counted(page, exported):
    page.goto((exported / "index.html").as_uri())
    parts = page.evaluate(
        "async () => { const parts = [];"
        "await openSource({ onProgress: (one) => parts.push(one) }); return parts; }"
    )
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1, abs=1e-3)
    assert len(parts) > 4


def test_a_runtime_must_be_given_or_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLESHOT_CACHE", str(tmp_path))
    run = make_run(tmp_path / "run")
    with pytest.raises(SingleshotError, match=r"--download-runtime \(33 MB, once\), or --runtime"):
        singleshot.export(run, "web", output=tmp_path / "web")
