"""`python -m benchmarks [NAME...]`: run the benchmarks and print their tables."""

import platform
import sys

import torch

from benchmarks import (
    batch,
    coverage,
    evaluation,
    host,
    int8,
    kills,
    latency,
    load,
    loading,
    machines,
    matching_and_loss,
    memory_over_epochs,
    million_images,
    million_index,
    postprocess,
    reading,
    serving,
    training_step,
    video_memory,
    web,
)

BENCHMARKS = {
    "postprocess": postprocess.main,
    "host": host.main,
    "int8": int8.main,
    "matching-and-loss": matching_and_loss.main,
    "training-step": training_step.main,
    "evaluation": evaluation.main,
    "coverage": coverage.main,
    "million-images": million_images.main,
    "million-index": million_index.main,
    "reading": reading.main,
    "loading": loading.main,
    "latency": latency.main,
    "load": load.main,
    "kills": kills.main,
    "machines": machines.main,
    "batch": batch.main,
    "memory-over-epochs": memory_over_epochs.main,
    "serving": serving.main,
    "web": web.main,
    "video-memory": video_memory.main,
}


def main() -> None:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
    for name in chosen:
        print(f"\n## {name}\n")
        BENCHMARKS[name]()


main()
