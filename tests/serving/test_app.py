"""The routes of a server: what they answer, and what they refuse."""

# Tests singleshot/serving/answers.py, singleshot/serving/problems.py
# Tests singleshot/serving/description.py, singleshot/serving/monitoring.py
# Tests singleshot/serving/request_body.py
# Tests singleshot/serving/options.py

from __future__ import annotations

import base64

import numpy as np
import pytest
from small_ssd import make_images, small_ssd
from starlette.testclient import TestClient
from stubs import BoxDetector, encoded_image

from singleshot.errors import ModelError, SingleshotError
from singleshot.serving.app import create_app
from singleshot.serving.options import ServingOptions

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def client():
    with TestClient(create_app(BoxDetector())) as client:
        yield client


def post(client, content=None, headers=JPEG, **more):
    content = encoded_image() if content is None else content
    return client.post("/v1/detect", content=content, headers=headers, **more)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_an_image_is_answered_with_its_detections(client, kind):
    answer = post(client, encoded_image(kind.upper()), {"Content-Type": f"image/{kind}"})
    assert answer.status_code == 200
    document = answer.json()
    assert (document["width"], document["height"], document["batch"]) == (40, 30, 1)
    [found] = document["detections"]
    assert (found["box"], found["label"]) == ([0, 0, 40, 30], "dog")
    assert found["score"] == pytest.approx(1, abs=0.02)
    assert "prior" not in found
    assert document["milliseconds"]["network"] is None
    assert document["milliseconds"]["total"] > 0


def test_a_form_is_answered_like_its_file(client):
    answer = client.post(
        "/v1/detect", data={"note": "x"}, files={"image": ("../a.jpg", encoded_image())}
    )
    assert len(answer.json()["detections"]) == 1


def test_detections_below_the_threshold_are_left_out(client):
    image = encoded_image("PNG", red=127)
    assert len(post(client, image).json()["detections"]) == 1
    assert post(client, image, params={"score_threshold": 0.5}).json()["detections"] == []


@pytest.mark.parametrize(
    "query", [[("score_treshold", 0.5)], [("score_threshold", 0.5), ("score_threshold", 0.9)]]
)
def test_parameters_without_effect_are_refused(client, query):
    assert problem_of(post(client, params=query), 422) == "invalid-parameter"


def test_a_form_with_two_files_is_refused(client):
    files = [("image", ("a.jpg", encoded_image())), ("image", ("b.jpg", encoded_image()))]
    answer = client.post("/v1/detect", files=files)
    assert problem_of(answer, 400) == "no-file-in-the-form"
    assert "more than one file" in answer.json()["detail"]


def test_probes_and_the_page_answer_head(client):
    for path in ("/healthz", "/readyz", "/"):
        assert (client.head(path).status_code, client.head(path).text) == (200, "")


def test_an_ssd_returns_priors_levels_and_phases():
    detector = small_ssd()
    with TestClient(create_app(detector)) as client:
        pixels = make_images(1)[0].permute(1, 2, 0).numpy()
        image = encoded_image("PNG", size=(pixels.shape[1], pixels.shape[0]))
        answer = post(client, image, params={"score_threshold": 0}).json()
        about = client.get("/v1/model").json()
    priors = np.frombuffer(base64.b64decode(about["priors_float32_base64"]), "<f4").reshape(-1, 4)
    assert len(priors) == detector.num_boxes
    assert len(answer["detections"]) > 0
    for found in answer["detections"]:
        level = about["levels"][found["level"]]
        assert 0 <= found["prior"] - level["first_prior"] < level["num_priors"]
    assert answer["milliseconds"]["network"] > 0


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert set(document) == {"type", "title", "status", "detail", "place", "value", "remedy"}
    return document["type"].removeprefix("urn:singleshot:problem:")


def test_refusals_are_problem_details(client):
    assert problem_of(post(client, b""), 400) == "empty-body"
    assert problem_of(post(client, headers={}), 415) == "unsupported-content-type"
    assert problem_of(post(client, b"\x80\x04pickle"), 415) == "unsupported-format"
    assert problem_of(post(client, encoded_image()[:200]), 422) == "broken-image"
    assert problem_of(post(client, params={"score_threshold": 2}), 422) == "invalid-parameter"
    assert problem_of(client.get("/v1/nothing"), 404) == "not-found"
    assert problem_of(client.get("/v1/detect"), 405) == "method-not-allowed"
    assert client.get("/v1/detect").headers["allow"] == "POST"


def test_limits_of_bytes_and_pixels():
    options = ServingOptions(max_megabytes=0.002, max_megapixels=0.001)
    with TestClient(create_app(BoxDetector(), options)) as client:
        assert problem_of(post(client), 413) == "too-many-pixels"
        assert problem_of(post(client, b"x" * 2001), 413) == "too-many-bytes"
        endless = (b"x" * 500 for _ in range(10))  # without Content-Length
        assert problem_of(post(client, endless), 413) == "too-many-bytes"


def test_a_detector_that_fails_is_no_secret_leak():
    def fail(_images):
        raise ModelError("/secret/path: broken")

    with TestClient(
        create_app(BoxDetector(on_batch=fail)), raise_server_exceptions=False
    ) as client:
        answer = post(client)
        assert problem_of(answer, 500) == "internal-error"
        assert "secret" not in answer.text
        assert client.get("/healthz").text == "ok"


def test_keys_are_required_where_there_are_some(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# old\n0123456789abcdef\n\nfedcba9876543210\n")
    with TestClient(create_app(BoxDetector(), ServingOptions(api_key_file=file))) as client:
        assert problem_of(post(client), 401) == "missing-api-key"
        assert problem_of(client.get("/v1/model"), 401) == "missing-api-key"
        assert problem_of(client.get("/metrics"), 401) == "missing-api-key"
        wrong = {**JPEG, "Authorization": "Bearer 0123456789abcdeF"}
        assert problem_of(post(client, headers=wrong), 401) == "wrong-api-key"
        for key in ("0123456789abcdef", "fedcba9876543210"):
            right = {**JPEG, "Authorization": f"Bearer {key}"}
            assert post(client, headers=right).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_other_origins_are_let_in_only_by_name():
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    for origins, allowed in (((), None), (("https://a.example",), "https://a.example")):
        with TestClient(create_app(BoxDetector(), ServingOptions(cors_origin=origins))) as client:
            answer = client.options("/v1/detect", headers=preflight)
            assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://a.b/c"])
def test_an_origin_that_no_browser_sends_is_refused(origin):
    with pytest.raises(SingleshotError, match="is no origin"):
        ServingOptions(cors_origin=[origin])


def test_readiness_ends_with_the_signal_to_stop():
    app = create_app(BoxDetector())
    with TestClient(app) as client:
        assert client.get("/readyz").text == "ok"
        app.state.service.state.draining = True
        assert problem_of(client.get("/readyz"), 503) == "shutting-down"
        answer = post(client)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
