"""The guide's program for Ray Data on this machine, with two workers: to be run, and killed.

python ray_driver.py SHARDS RUN RESULTS [--kill-worker NAME] [--kill-driver ROWS]

A worker that gets the image NAME kills itself as `kill -9` does, once; the driver kills itself
after so many rows.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from singleshot.batch import Predictor, finished_images, write_coco_results

__all__ = ["write_parquet", "write_tars"]

GUIDE = Path(__file__).resolve().parents[1] / "docs/how-to/files/predict_with_ray.py"
IMAGES_PER_PART = 40


class KilledPredictor(Predictor):
    """A predictor whose process ends, as after `kill -9`, when it first gets a certain image."""

    def __init__(self, *words: Any, fatal_image: str, mark: Path, **options: Any) -> None:
        super().__init__(*words, **options)
        self.fatal_image, self.mark = fatal_image, mark

    def __call__(self, batch: Any) -> Any:
        if self.fatal_image in batch["path"] and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


def write_parquet(images: Sequence[tuple[str, bytes]], folder: Path, num_files: int) -> Path:
    """Write images, each with its name, into Parquet files."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    for number in range(num_files):
        names, contents = zip(*images[number::num_files], strict=True)
        table = pa.table({"bytes": contents, "path": names})
        parquet.write_table(table, folder / f"{number:03d}.parquet")
    return folder


def write_tars(images: Sequence[tuple[str, bytes]], folder: Path, num_files: int) -> Path:
    """Write images, each with its name, into tar files, as WebDataset does."""
    folder.mkdir()
    for number in range(num_files):
        with tarfile.open(folder / f"{number:03d}.tar", "w") as tar:
            for name, content in images[number::num_files]:
                header = tarfile.TarInfo(name)
                header.size = len(content)
                tar.addfile(header, BytesIO(content))
    return folder


def load_guide() -> Any:
    """Import the program of the guide."""
    spec = importlib.util.spec_from_file_location("predict_with_ray", GUIDE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def killed_after(rows: Iterable[Any], number: int) -> Iterator[Any]:
    """Yield rows, and end this process after so many of them, as `kill -9` does."""
    for count, row in enumerate(rows):
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shards")
    parser.add_argument("run")
    parser.add_argument("results", type=Path)
    parser.add_argument("--images-per-part", type=int, default=IMAGES_PER_PART)
    parser.add_argument("--kill-worker", default="")
    parser.add_argument("--kill-driver", type=int, default=-1)
    given = parser.parse_args()
    import ray

    guide = load_guide()
    # Two workers, and a core that reads: without it nothing would ever begin.
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    finished = finished_images(given.results)
    options: dict[str, Any] = {"model": given.run, "score_threshold": 0, "device": "cpu"}
    if given.kill_worker:
        options |= {"fatal_image": given.kill_worker, "mark": given.results.with_name("killed")}
    rows = guide.detect(
        guide.read(given.shards),
        finished=finished,
        workers=2,
        predictor=KilledPredictor if given.kill_worker else Predictor,
        **options,
    )
    summary = write_coco_results(
        killed_after(rows.iter_rows(), given.kill_driver),
        given.results,
        images_per_part=given.images_per_part,
    )
    print(json.dumps({**asdict(summary), "finished_before": len(finished)}, default=str))


if __name__ == "__main__":
    main()
