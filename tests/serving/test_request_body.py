"""Bodies are read within their limits, and what a refused request still sends is read, too."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Request

from singleshot.serving.problems import Problem
from singleshot.serving.request_body import BodyReader


def request_of(*chunks: bytes) -> tuple[Request, list[dict]]:
    """A request with these parts of a body, and the messages that are left of it."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]

    async def receive():
        # A server would wait for the client to go, which waits for its answer.
        assert messages, "the body has arrived whole"
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"image/png")]}
    return Request(scope, receive), messages


def reader() -> BodyReader:
    return BodyReader(max_bytes=10, max_bytes_of_all=100, seconds=5)


def test_a_body_in_parts_is_read_whole():
    request, _ = request_of(b"abc", b"", b"def")
    assert asyncio.run(reader().read_image(request)) == b"abcdef"


@pytest.mark.parametrize("chunks", [(b"x" * 6, b"x" * 6), (b"x" * 11,), (b"x" * 11, b"", b"x")])
def test_after_a_refusal_the_rest_is_read_and_nothing_waited_for(chunks):
    request, left = request_of(*chunks)
    bodies = reader()

    async def refuse():
        with pytest.raises(Problem, match="more than 10 bytes"):
            await bodies.read_image(request)
        await bodies.discard(request)

    asyncio.run(refuse())
    assert left == []
    assert bodies.num_bytes == 0
