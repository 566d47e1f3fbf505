"""The end of a server under load, and what it does meanwhile, in a real process."""

# Tests singleshot/serving/serve.py

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from http.client import HTTPException

from server_process import JPEG, server_process
from stubs import encoded_image

CLIENTS = 12


class Clients:
    """Send requests one after the other until the end or the server's; half reuse connections."""

    def __init__(self, server) -> None:
        self.server, self.outcomes, self.image = server, Counter(), encoded_image()
        self.since_signal = Counter()
        self.signalled = False
        self.ended = threading.Event()
        self.threads = [
            threading.Thread(target=self.send, args=(number % 2 == 0,), daemon=True)
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> Clients:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def send(self, reuses: bool) -> None:
        connection = self.server.connect()
        while not self.ended.is_set():
            try:
                connection.request("POST", "/v1/detect", self.image, JPEG)
                answer = connection.getresponse()
                answer.read()
                outcome = answer.status
            except ConnectionRefusedError:
                break  # it takes no more connections, which a client may see at once
            except (OSError, HTTPException) as error:  # a reset is a lost request, too
                outcome = type(error).__name__
                connection.close()
            self.outcomes[outcome] += 1
            if self.signalled:
                self.since_signal[outcome] += 1
            if not reuses:
                connection.close()
        connection.close()


def test_sigterm_under_load_loses_no_request():
    options = {"drain_seconds": 1.0, "max_waiting": CLIENTS}
    with server_process(0.02, **options) as server, Clients(server) as clients:
        while clients.outcomes[200] < 50:
            time.sleep(0.01)
        clients.signalled = True
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        probe = server.connect()
        probe.request("GET", "/readyz")
        assert probe.getresponse().status == 503
        probe.close()
        assert server.process.wait(60) == 0
    assert set(clients.outcomes) == {200}, clients.outcomes
    assert clients.since_signal[200] > CLIENTS
    assert any("all requests are answered" in line for line in server.log)


def test_ctrl_c_ends_without_the_drain():
    with server_process(drain_seconds=600) as server:
        assert server.answers()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
    assert any("200" in line and "POST /v1/detect" in line for line in server.log)


def test_more_images_than_wait_are_refused_and_the_rest_is_answered():
    options = {"max_waiting": 4, "max_batch": 2}
    with server_process(0.05, **options) as server, Clients(server) as clients:
        while clients.outcomes[200] < 20 or clients.outcomes[429] < 20:
            time.sleep(0.01)
        assert set(clients.outcomes) == {200, 429}, clients.outcomes
        assert server.metric("singleshot_images_admitted") <= 4
