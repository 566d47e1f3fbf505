"""Streams on loopback that are dropped ten times, and are read on."""

# Tests singleshot/video/live.py

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from films import make_film, number_of

from singleshot.video import live
from singleshot.video.reader import FrameOptions
from singleshot.video.reading import open_video

DROPS = 10
SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = Path(__file__).resolve().parent.parent / "rtsp_server.py"


@pytest.fixture
def broken_off(tmp_path) -> Iterator[str]:
    """A server that sends a film to each client, then drops the connection."""
    content = make_film(tmp_path / "a.ts", 6, codec="libx264", format="mpegts").read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(content)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.fixture
def rtsp() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """GStreamer's RTSP server."""
    try:
        server = subprocess.Popen(
            [SYSTEM_PYTHON, str(RTSP_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError:
        pytest.skip(f"needs {SYSTEM_PYTHON} with GStreamer's RTSP server")
    with server:
        port = server.stdout.readline().strip()
        if not port:
            reason = server.stderr.read().strip().splitlines()[-1]
            pytest.skip(f"needs GStreamer's RTSP server (tests/rtsp_server.py): {reason}")
        yield f"rtsp://127.0.0.1:{port}/live", server
        server.kill()


def test_a_stream_survives_ten_drops(broken_off, monkeypatch):
    monkeypatch.setattr(live, "FIRST_DELAY", 0.01)
    messages, frames = [], []
    with open_video(broken_off, options=FrameOptions(on_message=messages.append)) as video:
        for frame in video:
            frames.append(frame)
            if video.num_reconnects >= DROPS:
                break
    assert {number_of(frame.image) for frame in frames} <= set(range(6))
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert indices[-1] >= 6 * DROPS  # frames that were dropped are counted
    assert [message.rpartition(": ")[2] for message in messages].count("connected again") >= DROPS


def test_an_rtsp_stream_survives_ten_drops(rtsp, monkeypatch):
    monkeypatch.setattr(live, "FIRST_DELAY", 0.05)
    url, server = rtsp
    num_drops, times = 0, []
    with open_video(url) as video:
        for frame in video:
            times.append(frame.time)
            if video.num_reconnects == DROPS:
                break
            if video.num_reconnects == num_drops:
                server.stdin.write("drop\n")
                server.stdin.flush()
                num_drops += 1
    assert (video.width, video.height, video.num_reconnects) == (320, 240, DROPS)
    assert times == sorted(times)
    assert len(times) > DROPS
