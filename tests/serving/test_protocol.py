"""Hostile connections to a server in a process of its own: it still answers."""

from __future__ import annotations

import json
import resource
import socket
import time
from contextlib import ExitStack

import pytest
from server_process import server_process
from stubs import encoded_image

HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module")
def server():
    with server_process(body_seconds=2.0, max_megabytes=1.0, max_megapixels=1) as server:
        yield server


@pytest.fixture(autouse=True)
def _answers_afterwards(server):
    yield
    assert server.answers()


def send(server, content: bytes) -> socket.socket:
    """A connection on which these bytes are sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(content)
    return connection


def answer_to(server, content: bytes) -> bytes:
    """What is answered until the server closes the connection."""
    with send(server, content) as connection:
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_slow_body_is_answered_with_408(server):
    began = time.monotonic()
    with send(server, HEAD + b"Content-Length: 1000\r\n\r\nxxx") as connection:
        answer = b"".join(iter(lambda: connection.recv(4096), b""))  # in one piece or several
        assert time.monotonic() - began < 2 * 2.0  # its two seconds, and none to read on
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"slow-body" in answer


def test_headers_that_never_end_are_cut_off(server):
    began = time.monotonic()
    with send(server, b"POST /v1/detect HTTP/1.1\r\n") as connection:
        assert connection.recv(1) == b""
    assert time.monotonic() - began > 5


@pytest.mark.parametrize(
    "content", [b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000, b"\x16\x03\x01\x02\r\n\r\n"]
)
def test_what_is_no_request_is_answered_by_problem_details(server, content):
    head, _, body = answer_to(server, content).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["type"] == "urn:singleshot:problem:no-http-request"


def test_an_endless_body_is_refused_and_cut_off(server):
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    connection = send(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    with connection, pytest.raises(OSError, match=r"reset|Broken pipe"):
        send_slowly(connection, chunk)


def send_slowly(connection: socket.socket, chunk: bytes) -> None:
    """Send the same chunk again and again, 4 MB in ten seconds at most."""
    while True:
        connection.sendall(chunk)
        time.sleep(0.01)


def test_a_body_that_is_declared_too_long_is_refused_at_once(server):
    head = HEAD + b"Content-Length: 1000000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    answer = answer_to(server, head)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_is_gone_harms_nobody(server):
    send(server, HEAD + b"Content-Length: 1000\r\n\r\nxxx").close()
    image = encoded_image()
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(image)
    for _ in range(20):
        send(server, head + image).close()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_bomb_of_pixels_is_refused(server, kind):
    status, answer = server.post(encoded_image(kind, size=(2000, 2000)))
    assert (status, b"too-many-pixels" in answer) == (413, True)


def test_many_open_connections_leave_it_answering(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = min(10_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number + 400), hard))
    with ExitStack() as connections:
        for index in range(number):
            connections.enter_context(send(server, b"" if index % 2 else b"GET / HT"))
            if index % 1000 == 0:
                assert server.answers()
        assert server.answers()
        assert server.metric("process_open_fds") < 5000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
