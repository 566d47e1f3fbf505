"""How often 95 % intervals hold the true value, and how often equal detectors differ.

Images, objects and detections are drawn at random; images differ in number of objects and in
difficulty, which all detectors share. The true mean average precision is that of 200,000 images.
Each repetition draws a test set and ranks two equally good detectors on it, as `compare` does.
Percentile: the middle 95 % of the same draws, without the widening for few images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from singleshot.comparison.ranking import draw_means, rank_means
from singleshot.metrics import Predictions, Protocol, Truths

NUM_IMAGES = (8, 14, 25, 70)
REPETITIONS = 800
POPULATION = 10, 20_000  # sets of images, so that they fit into memory
RESAMPLES, SEED = 1000, 0
FALSE_POSITIVES = 1.5  # of an image
SIDE, STEP = 10, 20  # pixels of an object, and from one to the next


@dataclass(frozen=True)
class Scene:
    """Images and detectors of one kind."""

    name: str
    objects: tuple[float, ...]  # mean number in an image, of each class
    easiness: float  # of finding an object, in standard deviations


SCENES = (
    Scene("one class, 4 objects an image", (4.0,), 0.9),
    Scene("three classes, 4, 1 and 0.5 objects an image", (4.0, 1.0, 0.5), 0.9),
    Scene("one class, nearly all found", (4.0,), 2.5),
)


def main() -> None:
    for scene in SCENES:
        random = np.random.default_rng(0)
        true_value = find_true_value(scene, random)
        print(f"{scene.name}; true mean average precision {true_value:.3f}\n")
        print(
            "| images | interval holds the truth | percentile | mean width "
            "| equal detectors called different | percentile |\n|---|---|---|---|---|---|"
        )
        for num_images in NUM_IMAGES:
            results = [repeat(scene, num_images, true_value, random) for _ in range(REPETITIONS)]
            held, held_by_percentile, width, different, by_percentile = np.nanmean(results, axis=0)
            print(
                f"| {num_images} | {held:.1%} | {held_by_percentile:.1%} | {width:.2f} "
                f"| {different:.1%} | {by_percentile:.1%} |"
            )
        print()


def find_true_value(scene: Scene, random: np.random.Generator) -> float:
    repetitions, num_images = POPULATION
    sets = (draw_test_set(scene, num_images, 1, random) for _ in range(repetitions))
    return float(np.mean([draw(scene, truths, found, resamples=0) for truths, found in sets]))


def repeat(
    scene: Scene, num_images: int, true_value: float, random: np.random.Generator
) -> tuple[float, ...]:
    """Rank two equal detectors; return whether the truth is held, the width, and the verdicts."""
    truths, found = draw_test_set(scene, num_images, 2, random)
    own, other = draw(scene, truths, found, resamples=RESAMPLES)
    images = len(np.unique(truths.images))
    ranking = rank_means([own, other], images=images, seed=SEED, confidence=0.95)
    # Without an interval nothing is held, and no width is averaged.
    low, high = (np.nan if end is None else end for end in ranking.estimates[0][1:])
    percentiles = np.nanquantile(own[1:], [0.025, 0.975])
    of_difference = np.nanquantile(own[1:] - other[1:], [0.025, 0.975])
    return (
        low <= true_value <= high,
        percentiles[0] <= true_value <= percentiles[1],
        high - low,
        ranking.pairs[0].differs,
        not of_difference[0] <= 0 <= of_difference[1],
    )


def draw(
    scene: Scene, truths: Truths, found: Sequence[Predictions], *, resamples: int
) -> list[Float64[np.ndarray, " draws"]]:
    return draw_means(
        found,
        truths,
        len(scene.objects),
        protocol=Protocol.VOC10,
        iou_threshold=0.5,
        resamples=resamples,
        seed=SEED,
    )


def draw_test_set(
    scene: Scene, num_images: int, num_detectors: int, random: np.random.Generator
) -> tuple[Truths, list[Predictions]]:
    """Draw images with objects side by side, and the detections of equally good detectors."""
    difficulty = random.normal(size=num_images)
    crowding = np.exp(random.normal(0, 0.5, num_images))
    counts = random.poisson(crowding[:, None] * scene.objects)
    counts[:, 0] = np.maximum(counts[:, 0], 1)
    per_image = counts.sum(axis=1)
    images = np.repeat(np.arange(num_images), per_image)
    firsts = np.cumsum(per_image) - per_image
    none = np.zeros(len(images), np.bool_)
    truths = Truths(
        images=images,
        boxes=boxes_at(np.arange(len(images)) - firsts[images], row=0),
        labels=np.repeat(np.tile(np.arange(len(scene.objects)), num_images), counts.ravel()),
        difficult=none,
        crowd=none,
        areas=np.full(len(images), float(SIDE**2)),
        num_images=num_images,
    )
    ease = scene.easiness + random.normal(size=len(images)) - difficulty[images]
    return truths, [detect(scene, truths, ease, difficulty, random) for _ in range(num_detectors)]


def detect(
    scene: Scene,
    truths: Truths,
    ease: Float64[np.ndarray, " objects"],
    difficulty: Float64[np.ndarray, " images"],
    random: np.random.Generator,
) -> Predictions:
    """Find objects that are easy enough, and others that are not there, more in difficult images.

    Half of the ease of an object is its own, half of it is the detector's luck.
    """
    luck = random.normal(size=len(ease))
    own = (ease + luck) / np.sqrt(2)
    found = np.flatnonzero(own > 0)
    frequency = np.array(scene.objects) / sum(scene.objects)
    wrong = np.repeat(
        np.arange(truths.num_images), random.poisson(FALSE_POSITIVES * np.exp(0.4 * difficulty))
    )
    places = np.arange(len(wrong))
    logits = np.concatenate(
        [own[found] + random.normal(0, 0.5, len(found)), random.normal(-0.5, 1, len(wrong))]
    )
    return Predictions(
        images=np.concatenate([truths.images[found], wrong]),
        boxes=np.concatenate([truths.boxes[found], boxes_at(places, row=10 * STEP)]),
        scores=1 / (1 + np.exp(-logits)),
        labels=np.concatenate(
            [truths.labels[found], random.choice(len(frequency), len(wrong), p=frequency)]
        ),
    )


def boxes_at(places: Int64[np.ndarray, " n"], *, row: int) -> Float64[np.ndarray, "n 4"]:
    """Place boxes side by side in a row, so that none overlaps another."""
    left, top = STEP * places.astype(np.float64), np.full(len(places), float(row))
    return np.stack([left, top, left + SIDE, top + SIDE], axis=1)
