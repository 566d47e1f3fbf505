"""Training on two machines, one of which is lost in the middle and comes back.

The machines are two network namespaces, joined by a virtual cable: they share the disk and nothing
else. All processes of one are killed at once (SIGKILL), as if its power had failed. Needs Linux,
`ip` and root.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MACHINES = {"singleshot-a": "10.91.7.1", "singleshot-b": "10.91.7.2"}
STEPS, KILLED_AFTER = 16, 8
PATIENCE = 900.0  # seconds, on a busy machine


def main() -> None:
    if shutil.which("ip") is None or os.geteuid() != 0:
        print("skipped: network namespaces need Linux, `ip` and root")
        return
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from cells import make_cells  # noqa: PLC0415 (beside the tests, found from here on)

    with TemporaryDirectory() as folder, two_machines():
        cells, run = make_cells(Path(folder) / "cells"), Path(folder) / "run"
        agents = {name: start(name, cells, run) for name in MACHINES}
        wait_for_step(run, KILLED_AFTER)
        lost = "singleshot-b"
        killed = kill(lost)
        agents[lost].wait()
        seen = steps(run)[-1]
        time.sleep(20)  # a machine needs as long to start; torchrun notices its end in 15
        agents[lost] = start(lost, cells, run)
        codes = {name: agent.wait(timeout=PATIENCE) for name, agent in agents.items()}
        print(f"{len(killed)} processes of {lost} killed after step {seen}")
        print(f"exit codes: {codes}")
        whole = steps(run) == [*range(1, STEPS + 1)]
        print(f"steps in the log: {len(steps(run))} of {STEPS}, each once: {whole}")
        output = "".join((run.parent / f"{name}.txt").read_text() for name in MACHINES)
        marks = ("resum", "Error")
        print(
            *(line for line in output.splitlines() if any(mark in line for mark in marks)), sep="\n"
        )


class Agent(subprocess.Popen[bytes]):
    """torchrun on one machine."""

    def __init__(self, command: list[str], output: Path, environment: dict[str, str]) -> None:
        with output.open("ab") as file:
            super().__init__(command, stdout=file, stderr=file, env=environment)


def start(machine: str, cells: Path, run: Path) -> Agent:
    address, first = MACHINES[machine], next(iter(MACHINES.values()))
    command = (
        f"ip netns exec {machine} {Path(sys.executable).parent}/torchrun --nnodes 2 "
        f"--nproc-per-node 1 --max-restarts 3 --rdzv-backend c10d --rdzv-endpoint {first}:29400 "
        f"--rdzv-id cells --rdzv-conf is_host={int(address == first)} --local-addr {address} "
        f"-m -- singleshot train ssdlite320-lite0 --data {cells} --run {run} "
        f"--set model.input=[64,96] --set training.batch_size=4 --set training.steps={STEPS} "
        f"--set training.validate_every=3 --set training.precision=float32"
    )
    settings = {
        "GLOO_SOCKET_IFNAME": machine[-7:],
        "OMP_NUM_THREADS": "1",
        # Otherwise a machine that comes back never gets the address of the first (PyTorch 2.15).
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    return Agent(command.split(), run.parent / f"{machine}.txt", {**os.environ, **settings})


@contextmanager
def two_machines() -> Iterator[None]:
    """Create two namespaces with an address each."""
    ends = [name[-7:] for name in MACHINES]
    ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    try:
        for name, end in zip(MACHINES, ends, strict=True):
            ip("netns", "add", name)
            ip("link", "set", end, "netns", name)
            ip("-n", name, "address", "add", f"{MACHINES[name]}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in MACHINES:
            kill(name)
            ip("netns", "delete", name)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def kill(machine: str) -> list[int]:
    """End everything that runs on a machine, at once."""
    running = [int(number) for number in ip("netns", "pids", machine).split()]
    for number in running:
        os.kill(number, signal.SIGKILL)
    return running


def steps(run: Path) -> list[int]:
    """Read the steps in the log of a run."""
    log = run / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}")]
    return [record["step"] for record in records if record["kind"] == "step"]


def wait_for_step(run: Path, step: int) -> None:
    start = time.monotonic()
    while step not in steps(run):
        if time.monotonic() - start > PATIENCE:
            sys.exit(f"step {step} was not reached in {PATIENCE:.0f} s")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
