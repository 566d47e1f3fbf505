"""Draw the image of how-to/video-and-cameras.md: three frames of a film with their detections.

    python docs/draw_video.py RUN DATA

The camera moves over the first test image of DATA that has objects of all classes; the film of
drawings that `predict --draw` writes is read again at three times. RUN and DATA are those of
docs/draw_results.py.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import singleshot
from singleshot.video.reading import open_video
from singleshot.video.writing import VideoWriter

FILE = Path(__file__).parent / "images" / "video-frames.png"
COLOURS = 128  # of the file
RATE, SECONDS = 10, 2
SIDE = 400  # pixels of the film
SHOWN = (0.0, 0.9, 1.9)  # seconds
WIDTH, GAP, LINE = 300, 12, 24  # pixels of each frame, between them, and of the text below


def make_film(path: Path, photograph: Image.Image) -> None:
    """Move a camera from left to right over a photograph."""
    distance = photograph.width - SIDE
    top = (photograph.height - SIDE) // 2
    with VideoWriter(path, frame_rate=Fraction(RATE)) as writer:
        for number in range(RATE * SECONDS):
            left = round(distance * number / (RATE * SECONDS - 1))
            writer.write(photograph.crop((left, top, left + SIDE, top + SIDE)), number / RATE)


def first_with_all_classes(data: str) -> Image.Image:
    """Find the first test image that has objects of all classes."""
    dataset = singleshot.open_dataset(data, "test")
    samples = map(dataset.__getitem__, range(len(dataset)))
    sample = next(
        one for one in samples if len(one.truth.labels.unique()) == len(dataset.class_names)
    )
    return Image.fromarray(np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy()))


def drawn_frames(detector: singleshot.Detector, film: Path, folder: Path) -> list[Image.Image]:
    """Predict as the command does, and read the drawings at the times that are shown."""
    for _ in detector.predict(film, draw=folder, score_threshold=0.4):
        pass
    with open_video(folder / film.name) as video:
        frames = {round(frame.time, 1): frame.image for frame in video}
    return [
        Image.fromarray(np.ascontiguousarray(frames[time].permute(1, 2, 0).numpy()))
        for time in SHOWN
    ]


def place_side_by_side(frames: list[Image.Image]) -> Image.Image:
    """Place frames in a row, each above its time."""
    width = len(frames) * (WIDTH + GAP) - GAP
    image = Image.new("RGB", (width, WIDTH + LINE), "white")
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for number, (frame, time) in enumerate(zip(frames, SHOWN, strict=True)):
        left = number * (WIDTH + GAP)
        image.paste(frame.resize((WIDTH, WIDTH), Image.Resampling.LANCZOS), (left, 0))
        canvas.text((left, WIDTH + 4), f"{time:.1f} s", fill="black", font=font)
    return image


def main(run: str, data: str) -> None:
    """Make the film, predict, and write the image."""
    with TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        make_film(film, first_with_all_classes(data))
        frames = drawn_frames(singleshot.load(run), film, Path(folder, "drawn"))
    image = place_side_by_side(frames)
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(FILE, optimize=True)
    print(f"{FILE}: {image.width} x {image.height}, {FILE.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(*sys.argv[1:])
