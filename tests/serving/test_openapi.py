"""Requests made from the server's own OpenAPI by schemathesis: each answer is a documented one."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from stubs import BoxDetector, encoded_image

from singleshot.serving.app import create_app
from singleshot.serving.options import ServingOptions

IMAGES = {kind: encoded_image(kind.upper()) for kind in ("jpeg", "png", "webp")}
# Without them, bodies that the schema permits would be any bytes.
for kind, image in IMAGES.items():
    schemathesis.openapi.media_type(f"image/{kind}", strategies.just(image))


APP = create_app(BoxDetector(), ServingOptions())
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
OPERATIONS = {
    f"{one.method.upper()} {one.path}": one
    for one in (result.ok() for result in SCHEMA.get_all_operations())
}


# Of schemathesis' own strategies.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_documented(name, mode):
    operation = OPERATIONS[name]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=50, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    def check(case):
        case.call_and_validate()

    try:
        check()
    except Unsatisfiable:  # without parameters there is nothing to get wrong
        assert mode is GenerationMode.NEGATIVE
        assert name != "POST /v1/detect"


def test_all_routes_are_in_the_schema():
    assert set(OPERATIONS) == {
        "POST /v1/detect",
        "GET /v1/model",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }
