"""A server as a process: its socket, its model, its log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from singleshot.cores import sharing_cores
from singleshot.data.machine import available_cores
from singleshot.models.locating import Model
from singleshot.models.opening import as_detector, load
from singleshot.options import takes
from singleshot.runs.folder import model_name
from singleshot.serving.address import (
    address_of,
    hold_connections,
    open_socket,
    require_packages,
)
from singleshot.serving.options import ServingOptions
from singleshot.structures import Detector

__all__ = ["run_server", "serve"]


@takes(ServingOptions)
def serve(model: Model, options: ServingOptions) -> None:
    """Answer requests for detections over HTTP until SIGTERM or Ctrl-C.

    Args:
        model: a run folder, a checkpoint, an exported model, or a detector.

    Raises:
        ModelError: there is no such model.
        SingleshotError: the port is in use, the address is not this machine's, or a package of the
            extra `serve` is missing.
    """
    run_server(model, options)


def run_server(model: Model, options: ServingOptions) -> None:
    """Serve as `serve` does, with options that are made already."""
    require_packages()
    from singleshot.serving.app import create_app  # noqa: PLC0415 (an extra)
    from singleshot.serving.server import Server  # noqa: PLC0415

    server_socket = open_socket(options.host, options.port)
    with server_socket:
        detector = _open_detector(model, options)
        _warm_up(detector)
        name = model_name(model) if isinstance(model, str | Path) else "detector"
        app = create_app(detector, options, name=name)
        server = Server(app, options)
        hold_connections(server_socket)
        if options.on_message is not None:
            options.on_message(f"Serving {name} at {address_of(server_socket)} (Ctrl-C ends it)")
        with sharing_cores(options.on_message), _logging_to_stderr():
            server.run(sockets=[server_socket])


def _open_detector(model: Model, options: ServingOptions) -> Detector:
    """Load a model with the threads of this process's cores, or as many as the options have."""
    threads = options.network_threads or available_cores()
    torch.set_num_threads(threads)
    if isinstance(model, str | Path):
        return load(model, options.device, threads=threads)
    return as_detector(model, options.device)


def _warm_up(detector: Detector) -> None:
    """Detect in an empty image: the first detection may take seconds."""
    detector.detect([torch.zeros(3, 64, 64, dtype=torch.uint8)])


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Write the access log and uvicorn's warnings to stderr, unless logging is set up already."""
    loggers = [logging.getLogger(name) for name in ("singleshot.serving", "uvicorn")]
    if any(logger.handlers for logger in (logging.getLogger(), *loggers)):
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    levels = (logging.INFO, logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # of broken forms
    for logger, level in zip(loggers, levels, strict=True):
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
