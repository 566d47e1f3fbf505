"""Detect objects in shards of images with Ray Data, and write them as COCO results.

python predict_with_ray.py SHARDS MODEL RESULTS --workers 8

SHARDS is a folder or a bucket of Parquet files with columns bytes and path, or a folder of
WebDataset's tar files with .jpg members. Started again after an interruption, it takes the other
images.
"""

import argparse
from pathlib import Path
from typing import Any

import ray
from ray.data import ActorPoolStrategy, Dataset

from singleshot.batch import Predictor, finished_images, write_coco_results


def read(shards: str) -> Dataset:
    """Read shards as a dataset with columns bytes and path."""
    if not any(Path(shards).glob("*.tar")):
        return ray.data.read_parquet(shards, columns=["bytes", "path"])
    images = ray.data.read_webdataset(shards, decoder=None)  # files as they are
    return images.rename_columns({"jpg": "bytes", "__key__": "path"})


def detect(
    images: Dataset, *, finished: frozenset[Any], workers: int, predictor: Any, **options: Any
) -> Dataset:
    """Detect objects in the images that are not finished; each worker takes one core."""
    return (
        images.filter(lambda row: row["path"] not in finished)
        # Images that go to a worker together, and come back together.
        .repartition(target_num_rows_per_block=200)
        .map_batches(
            predictor,
            fn_constructor_kwargs=options,
            batch_size=32,
            compute=ActorPoolStrategy(size=workers),  # with GPUs: num_gpus=1 besides
        )
    )


def main() -> None:
    """Read, detect and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shards")
    parser.add_argument("model")
    parser.add_argument("results")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--score-threshold", type=float)
    given = parser.parse_args()

    finished = finished_images(given.results)
    rows = detect(
        read(given.shards),
        finished=finished,
        workers=given.workers,
        predictor=Predictor,
        model=given.model,
        score_threshold=given.score_threshold,
    )
    print(write_coco_results(rows.iter_rows(), given.results))


if __name__ == "__main__":
    main()
