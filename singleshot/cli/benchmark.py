"""`singleshot benchmark`: latency, throughput, memory and size of models on this machine."""

from dataclasses import replace
from typing import Annotated

import typer

from singleshot.benchmarking.options import BenchmarkOptions
from singleshot.cli.checks import check_subjects
from singleshot.cli.options import Debug, Json, examples, with_options
from singleshot.cli.output import note, print_json, print_result

EXAMPLES = examples(
    "singleshot benchmark runs/cells --data cells",
    "singleshot benchmark runs/cells ssdlite320-lite0 --threads 1 --batch 1,8 --timings 24",
)


@with_options(BenchmarkOptions, check=check_subjects)
def benchmark(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="Run folders, checkpoints, exported models or names of downloaded detectors; or "
            "recipes, with random weights.",
        ),
    ],
    *,
    options: BenchmarkOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Measure latency, throughput, memory and size.

    From decoded images to boxes, on this machine: preprocessing, network and postprocessing
    apart, with percentiles. Several models take turns, each in a process of its own. Keep the
    machine free meanwhile.
    """
    import singleshot

    result = singleshot.benchmark(models, **vars(replace(options, progress=True, on_message=note)))
    if options.page is not None:
        note(f"Report: {options.page}")
    document = result.to_json()
    if json:
        print_json(document)
    else:
        from singleshot.benchmarking.tables import format_benchmark

        print_result(format_benchmark(document))
