"""The C++ library of the folder in the place of NumPy, by ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from singleshot.runtimes.standalone.decoding import priors_of
from singleshot.runtimes.standalone.model_files import MANIFEST_NAME, ModelFileError

__all__ = ["Native"]


class Native:
    """The library `singleshot_decoder` of `example/`: the same in C++, many times as fast."""

    VERSION = 1
    RESIZES = ("antialias", "opencv", "torchvision", "tensorflow1", "darknet")

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """Load the library at `path`, for outputs as `manifest` describes them."""
        try:
            self.library = ctypes.CDLL(str(path.resolve()))
            version = self.library.singleshot_version()
        except (OSError, AttributeError) as error:
            raise ModelFileError(f"{path}: cannot be loaded ({error}); build it again") from error
        if version != self.VERSION:
            raise ModelFileError(
                f"{path}: of version {version}, not {self.VERSION}; build it again or delete it"
            )
        self.manifest = manifest
        self.priors = np.ascontiguousarray(priors_of(manifest))
        self.rows = np.zeros((manifest["postprocessing"]["keep"], 6), np.float32)
        for name in ("singleshot_new_decoder", "singleshot_new_resizer"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.decoder = ctypes.c_void_p(self._new_decoder())
        self.resizers: dict[tuple[int, ...], ctypes.c_void_p] = {}
        if not self.decoder:
            raise ModelFileError(f"{path}: refuses the numbers of {MANIFEST_NAME}; export again")

    @classmethod
    def find(cls, folder: Path, manifest: Mapping[str, Any]) -> Native | None:
        """Load the library in a folder or its `build`; None where it was not built."""
        if manifest["contract"] == "detections":
            return None
        for place in (folder, folder / "build", folder / "example" / "build"):
            for name in ("libsingleshot_decoder.so", "libsingleshot_decoder.dylib"):
                if (place / name).is_file():
                    return cls(place / name, manifest)
        return None

    def _new_decoder(self) -> int | None:
        """Make a decoder with the numbers of the manifest."""
        decoding, post = self.manifest["decoding"], self.manifest["postprocessing"]
        kinds = ("hard", "distance", "soft", "weighted")
        whole = [
            decoding["scores"] == "sigmoid",
            decoding["num_columns"],
            decoding["first_column"],
            len(self.manifest["class_names"]),
            post["top_k"],
            post["keep"],
            post["clip_before_nms"],
            kinds.index(post["nms"]),
        ]
        fractions = [*decoding["offset_scales"], post["score_threshold"], post["iou_threshold"]]
        fractions.append(post["soft_sigma"])
        levels = [(*level["grid"], level["priors_per_cell"]) for level in decoding["levels"]]
        made: int | None = self.library.singleshot_new_decoder(
            np.array(whole, np.int32).ctypes,
            np.array(fractions, np.float32).ctypes,
            np.array(levels, np.int32).ctypes,
            len(levels),
            self.priors.ctypes,
        )
        return made

    def __del__(self) -> None:
        """Release what the library allocated."""
        for resizer in getattr(self, "resizers", {}).values():
            self.library.singleshot_delete_resizer(resizer)
        if getattr(self, "decoder", None):
            self.library.singleshot_delete_decoder(self.decoder)

    def set_score_threshold(self, score_threshold: float) -> None:
        """Set the score threshold, where it is not that of the manifest."""
        self.library.singleshot_set_score_threshold(self.decoder, ctypes.c_float(score_threshold))

    def resize(self, image: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
        """Resize as `resize` does."""
        key = (image.shape[0], image.shape[1], *size, self.RESIZES.index(how))
        if key not in self.resizers:
            resizer = self.library.singleshot_new_resizer(*key)
            if not resizer:
                raise ModelFileError(f"an image of {image.shape[1]} x {image.shape[0]} pixels")
            self.resizers[key] = ctypes.c_void_p(resizer)
        whole = how in ("antialias", "opencv")
        result = np.empty((*size, 3), np.uint8 if whole else np.float32)
        call = getattr(self.library, "singleshot_resize_to_" + ("bytes" if whole else "floats"))
        call(self.resizers[key], np.ascontiguousarray(image).ctypes, result.ctypes)
        return result

    def select(
        self, outputs: Mapping[str, np.ndarray], image: int, size: tuple[int, int]
    ) -> np.ndarray:
        """Turn outputs of an image of (height, width) into rows x1, y1, x2, y2, score, label."""
        kinds: dict[str, list[np.ndarray]] = {}
        layouts: dict[str, list[bool]] = {}
        for one in self.manifest["outputs"]:
            values = np.ascontiguousarray(outputs[one["name"]][image], np.float32)
            kinds.setdefault(one["kind"], []).append(values)
            layouts.setdefault(one["kind"], []).append(one["layout"] == "NHWC")
        height, width = size
        if self.manifest["contract"] == "raw":
            pairs = np.array([layouts["offsets"], layouts["logits"]], np.int32).T
            count = self.library.singleshot_decode(
                self.decoder,
                *(_pointers(kinds[kind]).ctypes for kind in ("offsets", "logits")),
                np.ascontiguousarray(pairs).ctypes,
                len(pairs),
                width,
                height,
                self.rows.ctypes,
            )
        else:
            scores = kinds["scores"][0]
            first = next(
                one["first_column"] for one in self.manifest["outputs"] if one["kind"] == "scores"
            )
            boxes, columns = kinds["boxes"][0], scores.shape[1]
            count = self.library.singleshot_select(
                self.decoder,
                *(boxes.ctypes, scores.ctypes, columns, first, width, height, self.rows.ctypes),
            )
        detections: np.ndarray = self.rows[:count].copy()
        return detections


def _pointers(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the addresses of arrays."""
    return np.array([array.ctypes.data for array in arrays], np.uintp)
