"""A server in a process of its own: `python server_process.py SECONDS OPTIONS` starts one.

Its detector is BoxDetector, which takes so many seconds for a batch.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

__all__ = ["JPEG", "ServerProcess", "server_process"]

JPEG = {"Content-Type": "image/jpeg"}
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent


@dataclass
class ServerProcess:
    """A server that is up."""

    process: subprocess.Popen[str]
    port: int
    log: list[str] = field(default_factory=list)

    def connect(self, seconds: float = 60) -> HTTPConnection:
        """A connection to it, which is opened by the first request."""
        return HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def answers(self) -> bool:
        """Whether it still detects."""
        from stubs import encoded_image

        return self.post(encoded_image())[0] == 200

    def post(self, content, headers=JPEG) -> tuple[int, bytes]:
        """Send an image on a connection of its own: the status and the answer."""
        connection = self.connect()
        try:
            connection.request("POST", "/v1/detect", content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """One number of its metrics."""
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


@contextmanager
def server_process(seconds: float = 0.0, **options: object) -> Iterator[ServerProcess]:
    """Start a server and stop it, if it still runs."""
    command = [sys.executable, __file__, str(seconds), json.dumps({"port": 0, **options})]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    first = process.stderr.readline()
    port = re.search(r":(\d+) ", first)
    assert port is not None, first + process.stderr.read()
    server = ServerProcess(process, int(port[1]))
    # Read to the end: a full pipe would stop the process.
    reader = threading.Thread(target=lambda: server.log.extend(process.stderr), daemon=True)
    reader.start()
    try:
        yield server
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


def main() -> None:
    """Serve until a signal."""
    sys.path.insert(0, str(HERE))
    from stubs import BoxDetector

    import singleshot

    def print_message(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    detector = BoxDetector(float(sys.argv[1]))
    singleshot.serve(detector, on_message=print_message, **json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
