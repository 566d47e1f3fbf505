"""`singleshot serve`: its examples, and what it refuses before PyTorch is imported."""

# Tests singleshot/serving/address.py

from __future__ import annotations

import socket

import pytest
from command_line import help_examples, singleshot
from small_ssd import make_run

from singleshot.errors import SingleshotError
from singleshot.serving import address


@pytest.fixture
def served(tmp_path, monkeypatch):
    """What the command would serve."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs/cells")
    (tmp_path / "keys.txt").write_text("0123456789abcdef\n")
    calls = []
    monkeypatch.setattr("singleshot.serving.serve.run_server", lambda *call: calls.append(call))
    return calls


def refusal(*words):
    done = singleshot("serve", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    return line


def test_the_examples_of_the_help_text_work(served):
    for _, *words in help_examples("serve"):
        assert singleshot(*words, "--port", "0").exit_code == 0
    (first, options), (second, others) = served
    assert (first, options.host, options.api_keys) == ("runs/cells", "127.0.0.1", ())
    assert (second, others.host, others.rate) == ("runs/cells", "0.0.0.0", 10)
    assert others.api_keys == (b"0123456789abcdef",)


@pytest.mark.usefixtures("served")
def test_what_cannot_be_served_is_one_line_and_exit_code_2(monkeypatch, tmp_path):
    assert "there is no such run folder" in refusal("nothing")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--port {port}: in use at 127.0.0.1" in refusal("runs/cells", "--port", port)
    assert "not an address of this machine" in refusal("runs/cells", "--host", "192.0.2.1")
    assert "try 127.0.0.1" in refusal("runs/cells", "--host", "no.such.host.invalid")
    assert "cannot be read" in refusal("runs/cells", "--api-key-file", "none.txt")
    (tmp_path / "short").write_text("secret")
    short = refusal("runs/cells", "--api-key-file", "short")
    assert "fewer than 16 characters" in short
    assert "secret" not in short
    monkeypatch.setattr(address, "find_spec", lambda name: None if name == "uvicorn" else name)
    assert "pip install 'singleshot[serve]'" in refusal("runs/cells", "--port", "0")


def test_a_port_that_is_taken_meanwhile_is_refused():
    with address.open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert address.address_of(first) == f"http://127.0.0.1:{port}"
        with address.open_socket("127.0.0.1", port) as second:
            address.hold_connections(first)
            with pytest.raises(SingleshotError, match="in use"):
                address.hold_connections(second)
