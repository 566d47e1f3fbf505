"""`python -m benchmarks [NAME...]`: run the benchmarks and print their tables.

`corpus` and `label-noise` train for hours: they run alone, with options of their own.
"""

import platform
import sys
from importlib import import_module
from types import ModuleType

import torch

# Each is the module of its name; imported when it is run, since some need packages of their own.
BENCHMARKS = (
    "postprocess",
    "host",
    "int8",
    "matching-and-loss",
    "training-step",
    "evaluation",
    "coverage",
    "million-images",
    "million-index",
    "reading",
    "loading",
    "shrinking",
    "latency",
    "load",
    "kills",
    "machines",
    "batch",
    "memory-over-epochs",
    "serving",
    "web",
    "video-memory",
    "gpu",
)
WITH_OPTIONS = ("corpus", "label-noise")


def main() -> None:
    if sys.argv[1:] and sys.argv[1] in WITH_OPTIONS:
        module_of(sys.argv[1]).main(sys.argv[2:])
        return
    # The last ends the program, with its verdict; it is left out where it cannot run.
    everything = [name for name in BENCHMARKS if name != "gpu" or torch.cuda.is_available()]
    chosen = sys.argv[1:] or everything
    known = (*BENCHMARKS, *WITH_OPTIONS)
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
    for name in chosen:
        print(f"\n## {name}\n")
        module_of(name).main()


def module_of(name: str) -> ModuleType:
    return import_module(f"benchmarks.{name.replace('-', '_')}")


main()
