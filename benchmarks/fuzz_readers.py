"""Fuzzing of the readers of annotations, guided by coverage: only errors of ours may come out.

python -m benchmarks.fuzz_readers VOC COCO --seconds 600

For each format a small data set is written by the format itself; its annotation files, and
mutations of them, are then read again. Needs `pip install atheris` (Linux), whose libFuzzer mutates
what reached new code. A process for each format, because libFuzzer ends its own. What is not a
SingleshotError ends the process with the traceback, and keeps its input in fuzz-FORMAT/.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

if "--one" in sys.argv:
    import atheris  # not a dependency

    with atheris.instrument_imports(include=["singleshot.data"]):
        from singleshot.data import opening
else:
    from singleshot.data import opening

from singleshot.data.dataset import DataSet
from singleshot.errors import SingleshotError
from singleshot.structures import Truth

LONGEST = 20_000  # bytes of an input


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=[one.name for one in opening.formats()])
    parser.add_argument("--seconds", type=int, default=600, help="of each format")
    parser.add_argument("--one", help="fuzz this format in this process")
    arguments = parser.parse_args()
    if arguments.one:
        fuzz(arguments.one, arguments.seconds)
        return
    print("| format | inputs | seconds | found |")
    print("|---|---|---|---|")
    for name in arguments.formats:
        command = [sys.executable, "-m", "benchmarks.fuzz_readers", "--one", name]
        begun = time.perf_counter()
        done = subprocess.run(
            [*command, "--seconds", str(arguments.seconds)],
            check=False,
            capture_output=True,
            text=True,
        )
        lines = done.stderr.splitlines()
        runs = next((line.split()[1] for line in lines if line.startswith("Done ")), "?")
        found = "nothing" if done.returncode == 0 else f"exit {done.returncode}"
        print(f"| {name} | {runs} | {time.perf_counter() - begun:.0f} | {found} |", flush=True)
        if done.returncode:
            print(done.stderr[-3000:], file=sys.stderr)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz the reader of one format; ends the process."""
    [data_format] = [one for one in opening.formats() if one.name == name]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=shared_memory()))
    data_format.write(
        made_up(folder / "images"), folder / "data", splits={"train": [0], "test": [1]}
    )
    files = annotation_files(folder / "data")
    corpus = Path(f"fuzz-{name}")
    corpus.mkdir(exist_ok=True)
    for number, file in enumerate(files):
        content = file.read_bytes()
        if len(content) <= LONGEST:
            (corpus / f"seed-{number}").write_bytes(bytes([number]) + content)
    originals = {file: file.read_bytes() for file in files}

    def read(content: bytes) -> None:
        """Replace one of the files, chosen by the first byte, and read the data set."""
        if not content:
            return
        file = files[content[0] % len(files)]
        file.write_bytes(content[1:])
        try:
            opening.read_with_findings(folder / "data", images="optional")
        except SingleshotError:
            pass
        finally:
            file.write_bytes(originals[file])

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        "-timeout=20",
        "-rss_limit_mb=4096",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", str(corpus)], read)
    atheris.Fuzz()


def made_up(folder: Path) -> DataSet:
    """Make two small images with three objects."""
    folder.mkdir(parents=True)
    images: list[tuple[Path, Truth]] = []
    boxes: list[list[Any]] = [
        [[1.0, 2.0, 11.0, 22.0], [0.0, 0.5, 40.0, 30.0]],
        [[5.0, 6.0, 9.0, 10.0]],
    ]
    for index, of_image in enumerate(boxes):
        path = folder / f"{index}.png"
        Image.new("RGB", (40, 30), (index, 0, 0)).save(path)
        labels = torch.arange(len(of_image))
        images.append((path, Truth.of(torch.tensor(of_image), labels)))
    return DataSet.of(("cat", "dog"), images, description="made up")


def annotation_files(folder: Path) -> list[Path]:
    """List what is no image."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png")


def shared_memory() -> Path | None:
    """Return a folder in memory, where there is one."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() else None


if __name__ == "__main__":
    main()
