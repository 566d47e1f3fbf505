"""Frames as upright RGB images."""

from __future__ import annotations

import shutil
import subprocess

import av
import numpy as np
import pytest
import torch
from films import make_film

from singleshot.video.frames import as_image, timestamp_of
from singleshot.video.reading import open_video


def test_a_frame_is_rgb():
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[1, 2] = (200, 100, 50)
    image = as_image(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    assert torch.equal(image, torch.from_numpy(pixels).permute(2, 0, 1))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_film_of_a_phone_is_turned_as_ffmpeg_turns_it(tmp_path, degrees):
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg, which turns films by its own means")
    pixels = np.full((48, 64, 3), 40, dtype=np.uint8)
    pixels[:16, :16] = 220  # the corner at the top left
    film, turned, shot = (str(tmp_path / name) for name in ("a.mp4", "b.mp4", "c.png"))
    make_film(tmp_path / "a.mp4", [pixels] * 3)
    run = ["ffmpeg", "-v", "error", "-y", "-i"]
    rotate = ["-c", "copy", "-metadata:s:v", f"rotate={degrees}"]
    subprocess.run([*run, film, *rotate, turned], check=True)
    subprocess.run([*run, turned, "-frames:v", "1", shot], check=True)
    expected = av.open(shot).decode(video=0)
    expected = next(iter(expected)).to_ndarray(format="rgb24")
    with open_video(turned) as video:
        image = next(iter(video)).image
    assert (video.width, video.height) == ((64, 48) if degrees == 180 else (48, 64))
    assert image.shape[1:] == expected.shape[:2]
    difference = image.permute(1, 2, 0).float() - torch.from_numpy(expected).float()
    assert difference.abs().mean() < 3
    assert image[:, :16, :16].float().mean() < 60  # the corner is elsewhere now


def test_a_time_of_decoding_stands_in_for_a_missing_one():
    frame = av.VideoFrame(4, 4)
    assert timestamp_of(frame) is None
    frame.dts = 3
    assert timestamp_of(frame) == 3
    frame.pts = 5
    assert timestamp_of(frame) == 5
