"""A few processes that train together, started by a test on this machine."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist

__all__ = ["free_port", "run_group"]

PATIENCE = timedelta(seconds=60)


def free_port() -> int:
    """Find a free port of this machine; skips the test where there are no sockets."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
            return port
    except OSError as error:
        pytest.skip(f"processes talk through sockets, which are not to be had here: {error}")


def run_group(work: Callable[..., Any], num_processes: int, *arguments: Any) -> list[Any]:
    """What each process' `work(rank, *arguments)` gives, while they are a group."""
    port = free_port()
    context = multiprocessing.get_context("forkserver")
    # Imported once for all groups of a test run.
    modules = ["timm.layers", "torch.distributed", "singleshot.training.build"]
    context.set_forkserver_preload(modules)
    with context.Pool(num_processes) as pool:
        tasks = [(work, rank, num_processes, port, arguments) for rank in range(num_processes)]
        waiting = [pool.apply_async(in_group, task) for task in tasks]
        return [one.get(PATIENCE.total_seconds()) for one in waiting]


def in_group(
    work: Callable[..., Any], rank: int, num_processes: int, port: int, arguments: tuple[Any, ...]
) -> Any:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = dist.TCPStore("127.0.0.1", port, num_processes, rank == 0, PATIENCE)
    dist.init_process_group(
        "gloo", store=store, rank=rank, world_size=num_processes, timeout=PATIENCE
    )
    try:
        found = work(rank, *arguments)
        dist.barrier()
        return found
    finally:
        dist.destroy_process_group()
