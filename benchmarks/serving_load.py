"""Clients of the benchmark `serving`, for Locust: `locust -f benchmarks/serving_load.py`.

The environment has IMAGES, a folder; RATE, requests per second of each client, 0 for one after the
other; and RESULT, the JSON that is written at the end: [status, seconds] of each request.
"""

import json
import os
import time
from itertools import cycle
from pathlib import Path

from locust import FastHttpUser, constant_throughput, events, task

IMAGES = cycle([path.read_bytes() for path in sorted(Path(os.environ["IMAGES"]).glob("*.jpg"))])
RATE = float(os.environ.get("RATE", "0"))
ANSWERS: list[tuple[int, float]] = []


class Client(FastHttpUser):
    """Sends images, in turns with the other clients."""

    if RATE:
        wait_time = constant_throughput(RATE)

    @task
    def detect(self) -> None:
        began = time.perf_counter()
        headers = {"Content-Type": "image/jpeg"}
        with self.client.post(
            "/v1/detect", data=next(IMAGES), headers=headers, catch_response=True
        ) as answer:
            ANSWERS.append((answer.status_code, time.perf_counter() - began))
            answer.success()  # the benchmark counts by status


@events.quitting.add_listener
def save_answers(environment: object, **_more: object) -> None:
    del environment
    Path(os.environ["RESULT"]).write_text(json.dumps(ANSWERS))
