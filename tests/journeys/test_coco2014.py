"""The paper's split of COCO trains as the recipes' commands have it, in COCO's own layout."""

# Tests singleshot/data/formats/coco.py

from __future__ import annotations

import json

from coco2014 import MINIVAL, make_coco2014
from command_line import singleshot

SMALL = ("model.input=[96,96]", "training.steps=2", "training.batch_size=2")


def test_trainval35k_trains_and_minival_is_evaluated(home):
    make_coco2014(home / "coco")
    small = [word for setting in SMALL for word in ("--set", setting)]
    words = ("--data", "coco", "--split", "trainval35k", "--val-split", "minival", *small)
    done = singleshot("train", "ssdlite320-lite0", *words, "--run", "runs/coco")
    assert done.exit_code == 0, done.stderr
    messages = " ".join(done.stderr.split())
    assert "training on 6 images" in messages
    assert "validating on 2 images" in messages
    done = singleshot("evaluate", "runs/coco", "coco", "--split", "minival", "--json")
    assert json.loads(done.stdout)["images"] == len(MINIVAL)
