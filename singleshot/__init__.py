"""From a folder of annotated pictures to a measured SSD detector running on a small device.

detector = singleshot.load("runs/cells")
found = detector.detect([image])[0]
run = singleshot.train("ssdlite320-lite0", data="cells/", run="runs/cells")
report = singleshot.evaluate(detector, data="cells/", split="test")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from singleshot.version import __version__

if TYPE_CHECKING:
    from singleshot.api import (
        Run,
        Search,
        compare,
        evaluate,
        import_model,
        load,
        score,
        train,
        tune,
    )

__all__ = [
    "Run",
    "Search",
    "__version__",
    "compare",
    "evaluate",
    "import_model",
    "load",
    "score",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import PyTorch when something is first used: `singleshot --help` answers at once."""
    if name in __all__:
        return getattr(import_module("singleshot.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
