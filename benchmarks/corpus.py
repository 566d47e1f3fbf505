"""Accuracy over a corpus of data sets that nothing was tuned for, beside a peer, at equal minutes.

python -m benchmarks corpus --output corpus.jsonl --minutes 20 --peer FILE
python -m benchmarks corpus --output corpus.jsonl --minutes 20 --peer FILE --train-images 20 50 all
    --sets bccd plates kangaroo --plot curves.svg

Contestants are `auto` (singleshot train auto), `auto-coco` (the same with --init, the detector of
--coco), `default` (ssdlite320-lite0) and `peer`: the script of --peer, which is called as FILE
VOC_FOLDER TRAIN_SPLIT TEST_SPLIT MINUTES WEIGHTS SEED, and whose last line is JSON with AP and
AP50. --contestant NAME="ARGUMENTS" adds another `singleshot train`, --peer NAME=FILE another peer.
Each trains on the split `trainval` from each seed in a process of its own: of ours, everything fits
into the minutes; of the peer, its steps do. Nothing is chosen on the split `test`: the last weights
are evaluated, once.
Each training adds a line to the output file and is not repeated.

Data sets are those of SINGLESHOT_SHARED, the demo's ten digits, and any NAME=FOLDER:TRAIN:TEST.
--train-images makes learning curves: each seed has its own images, those of 20 among those of 50.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import sweep
from benchmarks.corpus_data import NAMES, TEST, TRAIN, find_set, prepare, split_of, split_size
from benchmarks.corpus_tables import Results, plot_curves, tables
from benchmarks.corpus_trainings import (
    Contestant,
    Job,
    Ours,
    Peer,
    TrainingFailed,
    write_weights,
)
from benchmarks.starts import Set
from singleshot.errors import SingleshotError

__all__ = ["main", "train_all"]

DEFAULT = "ssdlite320-lite0"
DIGITS = 5  # decimal places of what is written
KEY = ("set", "contestant", "seed", "minutes", "images")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the trainings that the output lacks, and print the tables; SystemExit after a failure."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    failed: list[str] = []
    if not options.table:
        contestants = choose_contestants(options, parser)
        try:
            failed = train_all(options, contestants)
        except SingleshotError as error:  # of the data, before a training
            sys.exit(f"{error}")
    results = Results([line for line in sweep.lines(options.output) if is_shown(line, options)])
    print("\n".join(tables(results)))
    if options.plot is not None:
        options.plot.write_text(plot_curves(results), encoding="utf-8")
    if failed:
        sys.exit("\n".join(["these trainings failed; the same command repeats them:", *failed]))


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks corpus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--sets", type=find_set, nargs="+", default=[*map(find_set, NAMES)])
    parser.add_argument("--contestants", nargs="+", help="default: all that can run")
    parser.add_argument("--contestant", type=named, action="append", metavar='NAME="ARGUMENTS"')
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train-images", type=number_or_all, nargs="+", default=[None])
    parser.add_argument("--coco", metavar="MODEL", help="what auto-coco gives to --init")
    parser.add_argument("--peer", type=named_script, action="append", metavar="[NAME=]FILE")
    parser.add_argument("--peer-weights", type=Path, help="default: those of the installed package")
    parser.add_argument("--folder", type=Path, default=Path("runs/corpus"), help="data and runs")
    parser.add_argument("--keep", action="store_true", help="keep the weights of all trainings")
    parser.add_argument("--timings", type=int, default=120, help="images timed of a detector")
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--plot", type=Path, help="SVG file for the learning curves")
    return parser


def named(text: str) -> tuple[str, str]:
    name, _, rest = text.partition("=")
    if not (name and rest):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=ARGUMENTS")
    return name, rest


def named_script(text: str) -> tuple[str, Path]:
    """Parse NAME=FILE, or FILE alone, whose contestant is called `peer`."""
    name, separator, file = text.rpartition("=")
    if not Path(file).is_file():
        raise argparse.ArgumentTypeError(f"{file}: there is no such file")
    return (name, Path(file)) if separator else ("peer", Path(file))


def number_or_all(text: str) -> int | None:
    """Parse a number of images; `all` is None."""
    if text == "all":
        return None
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of images, or all")
    return int(text)


def choose_contestants(
    options: argparse.Namespace, parser: argparse.ArgumentParser
) -> dict[str, Contestant]:
    """Return the contestants by name: those of --contestants, else all that can run."""
    ours: dict[str, tuple[str, ...]] = {"auto": ("auto",), "default": (DEFAULT,)}
    if options.coco:
        ours["auto-coco"] = ("auto", "--init", options.coco)
    ours |= {name: tuple(shlex.split(rest)) for name, rest in options.contestant or ()}
    found: dict[str, Contestant] = {
        name: Ours(own, options.keep, options.timings) for name, own in ours.items()
    }
    if options.peer:
        weights = options.peer_weights or write_weights(options.folder)
        found |= {name: Peer(script, weights) for name, script in options.peer}
    chosen = options.contestants or list(found)
    if unknown := [name for name in chosen if name not in found]:
        needs = "auto-coco needs --coco MODEL, peer needs --peer FILE"
        parser.error(f"no contestant {', '.join(unknown)}; there are {', '.join(found)}; {needs}")
    return {name: found[name] for name in chosen}


@dataclass(frozen=True)
class Training:
    """One line of the output."""

    each: Set
    contestant: str
    seed: int
    minutes: float
    images: int | None  # of those to train on; None: all

    @property
    def key(self) -> tuple[Any, ...]:
        return self.each.name, self.contestant, self.seed, self.minutes, self.images

    @property
    def name(self) -> str:
        images = "all" if self.images is None else self.images
        return f"{self.each.name}-{self.contestant}-{images}-{self.minutes:g}m-{self.seed}"


def trainings(options: argparse.Namespace, contestants: Sequence[str]) -> Iterator[Training]:
    """Yield what the output lacks: all of one seed first, so that it is a whole early."""
    done = {tuple(line[key] for key in KEY) for line in sweep.lines(options.output)}
    for seed, images, each, name in product(
        options.seeds, options.train_images, options.sets, contestants
    ):
        training = Training(each, name, seed, options.minutes, images)
        if training.key not in done:
            yield training


def train_all(options: argparse.Namespace, contestants: Mapping[str, Contestant]) -> list[str]:
    """Train what the output lacks, adding a line for each; returns the failures."""
    failed = []
    commit = current_commit()
    for training in trainings(options, list(contestants)):
        folder = prepare(training.each, options.folder / "data")
        available = split_size(folder, TRAIN)
        if training.images is not None and training.images >= available:
            note(f"{training.name}: left out, all are {available} images")
            continue
        split = split_of(folder, training.images, training.seed)
        place = options.folder / "runs" / training.name
        job = Job(folder, split, training.seed, training.minutes, place)
        note(f"{training.name}: began {datetime.now(timezone.utc):%H:%M}")
        try:
            values = contestants[training.contestant].train(job)
        except (TrainingFailed, SingleshotError) as error:
            failed.append(f"{training.name}: {error}")
            note(f"FAILED: {failed[-1]}")
            continue
        line = dict(zip(KEY, training.key, strict=True)) | {
            "training_images": split_size(folder, split),
            "test_images": split_size(folder, TEST),
            **{key: rounded(value) for key, value in values.items()},
            "commit": commit,
            "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        }
        sweep.append(options.output, line)
        note(f"{training.name}: AP50 {line['AP50']:.3f}, AP {line['AP']:.3f}")
    return failed


def is_shown(line: Mapping[str, Any], options: argparse.Namespace) -> bool:
    """Select the lines that the options are about; contestants are all of them by default."""
    return (
        line["minutes"] == options.minutes
        and line["set"] in {each.name for each in options.sets}
        and line["seed"] in options.seeds
        and (not options.contestants or line["contestant"] in options.contestants)
    )


def rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def current_commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
