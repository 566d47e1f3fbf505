from __future__ import annotations

import pytest
from report_scene import Scene, make_scene

from singleshot.metrics import Protocol


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Scene:
    """Sixteen images, one of them broken, with detections right and wrong in every way."""
    return make_scene(tmp_path_factory.mktemp("scene"), Protocol.VOC10)
