"""Measure latency by phases, throughput, memory and size of models on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from singleshot.benchmarking.images import TimedImages, choose_images
from singleshot.benchmarking.machine import busy_note, cores_used_by_others
from singleshot.benchmarking.network_check import check_in_process
from singleshot.benchmarking.options import BenchmarkOptions
from singleshot.benchmarking.result import BenchmarkResult, BenchmarkRow, phases_of
from singleshot.benchmarking.streams import StreamPlan, StreamTimings, time_streams
from singleshot.benchmarking.subjects import Subject, find_subjects
from singleshot.benchmarking.timing import DetectorTimings, TimingPlan, time_in_turns
from singleshot.benchmarking.timing_process import TimingJob
from singleshot.errors import DataError
from singleshot.evaluation.evaluate import evaluate
from singleshot.metrics.speed import Seconds
from singleshot.options import takes
from singleshot.version import __version__

__all__ = ["benchmark"]

UNSTEADY = 0.2  # of the median: the distance of the quartiles from which timings are called so
STREAM_SECONDS = 2.0  # of a round, at most


@takes(BenchmarkOptions)
def benchmark(models: Sequence[str | Path], options: BenchmarkOptions) -> BenchmarkResult:
    """Time models on this machine, in turns, each in a process of its own.

    Args:
        models: run folders, checkpoints, exported models, or recipes with random weights.

    Raises:
        SingleshotError: one of its kinds; a ModelError or DataError names what it is about.
        RunFailed: a model could not be timed, as for want of memory.
    """
    with options.displayed() as shown:
        return _benchmark(models, shown)


def _benchmark(models: Sequence[str | Path], options: BenchmarkOptions) -> BenchmarkResult:
    """Benchmark as `benchmark` does, with the functions of a display."""
    subjects = find_subjects(models)
    with tempfile.TemporaryDirectory() as folder:
        images = choose_images(options, Path(folder))
        result = _time(subjects, images, options)
    if options.page is None:
        return result
    if images.annotated:
        result = _with_accuracy(result, subjects, options)
    # Imports jinja2.
    from singleshot.benchmarking.page import write_benchmark  # noqa: PLC0415

    command = options.to_command("benchmark", *models)
    write_benchmark(result, options.page, command=command, version=__version__)
    return result


def _time(
    subjects: Sequence[Subject], images: TimedImages, options: BenchmarkOptions
) -> BenchmarkResult:
    """Time all models in all settings: those of one setting in turns, one setting after another."""
    used = cores_used_by_others()
    busy = busy_note(used, os.cpu_count() or 1)
    if busy is not None:
        options.notify(f"warning: {busy}")
    rows: list[BenchmarkRow] = []
    machines = []
    for threads in options.thread_counts:
        jobs = [_job(one, images, threads, options) for one in subjects]
        if 1 in options.stream_counts:
            timings = time_in_turns(jobs, _plan(options), options.notify)
            machines += [own.machine for own in timings]
            for subject, job, own in zip(subjects, jobs, timings, strict=True):
                found = _rows_of(subject, own)
                if options.check:
                    options.notify(f"timing the network of {subject.name} by other means")
                    found[0] = replace(found[0], check=check_in_process(job))
                rows += found
        for number in options.stream_counts:
            if number > 1:
                streams = time_streams(jobs, _stream_plan(number, options), options.notify)
                machines += [own.of_streams[0].machine for own in streams]
                rows += map(_row_of_streams, subjects, streams)
    notes = [*([busy] if busy else []), *_notes(rows, subjects)]
    for note in notes[bool(busy) :]:
        options.notify(note)
    return BenchmarkResult(images.description, machines[0], used, tuple(rows), tuple(notes))


def _job(
    subject: Subject, images: TimedImages, threads: int | None, options: BenchmarkOptions
) -> TimingJob:
    """Describe a subject to its process."""
    return TimingJob(
        subject.name,
        images.paths,
        model=None if subject.is_recipe else Path(subject.given),
        recipe=subject.given if subject.is_recipe else "",
        num_classes=options.num_classes,
        device=str(options.device),
        threads=threads,
        score_threshold=options.score_threshold,
    )


def _plan(options: BenchmarkOptions) -> TimingPlan:
    """Share the timings among the rounds; larger batches take fewer of them."""
    images_a_turn = -(-options.timings // options.rounds)
    batches = {size: -(-images_a_turn // size) for size in options.batches}
    return TimingPlan(batches, rounds=options.rounds, max_seconds=options.max_seconds)


def _stream_plan(number: int, options: BenchmarkOptions) -> StreamPlan:
    """Time streams with the smallest batches, as long as the time of a model allows."""
    seconds = min(options.max_seconds / options.rounds, STREAM_SECONDS)
    return StreamPlan(number, options.batches[0], options.rounds, seconds)


def _rows_of(subject: Subject, timings: DetectorTimings) -> list[BenchmarkRow]:
    """Summarise one model with one number of threads: a row for each size of batches."""
    return [
        _row(
            subject,
            timings,
            timings.rounds[batch],
            batch=batch,
            streams=1,
            images_per_second=None,
            peak_memory_mb=timings.peaks[batch],
            memory_before_mb=timings.memory_before_mb,
        )
        for batch in sorted(timings.rounds)
    ]


def _row_of_streams(subject: Subject, streams: StreamTimings) -> BenchmarkRow:
    """Summarise several streams of one model: latencies of all of them, throughput together."""
    first = streams.of_streams[0]
    (batch,) = first.rounds
    rounds = [
        list(chain.from_iterable(of_round))
        for of_round in zip(*(own.rounds[batch] for own in streams.of_streams), strict=True)
    ]
    return _row(
        subject,
        first,
        rounds,
        batch=batch,
        streams=len(streams.of_streams),
        images_per_second=median(streams.images_per_second),
        peak_memory_mb=streams.peak_memory_mb,
        memory_before_mb=streams.memory_before_mb,
    )


def _row(
    subject: Subject,
    timings: DetectorTimings,
    rounds: Sequence[Sequence[Seconds]],
    *,
    batch: int,
    images_per_second: float | None,
    **more: Any,
) -> BenchmarkRow:
    """Join the timings of one setting with what is known of the model."""
    seconds = list(chain.from_iterable(rounds))
    phases = phases_of(seconds)
    total = phases["total"]
    assert total is not None
    about, size = timings.about, timings.about["size_bytes"]
    return BenchmarkRow(
        model=subject.given,
        name=subject.name,
        runtime=about["runtime"],
        runtime_version=about["runtime_version"],
        precision=about["precision"],
        device=timings.machine.device,
        input=None if about["input"] is None else tuple(about["input"]),
        batch=batch,
        threads=timings.machine.threads,
        preprocess=phases["preprocess"],
        network=phases["network"],
        postprocess=phases["postprocess"],
        total=total,
        images_per_second=images_per_second or 1000 * batch / total.median,
        rounds_ms=tuple(1000 * median(one.total for one in own) for own in rounds),
        num_timings=len(seconds),
        detections_per_image=fmean(timings.detections[batch]),
        score_threshold=about["score_threshold"],
        size_mb=None if size is None else size / 1e6,
        joules_per_image=_mean_of_known(timings.joules.get(batch, [])),
        **more,
    )


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    """Average what is known; None where nothing is."""
    known = [one for one in values if one is not None]
    return fmean(known) if known else None


def _notes(rows: Sequence[BenchmarkRow], subjects: Sequence[Subject]) -> list[str]:
    """State what the numbers cannot be relied on for."""
    notes = []
    cores = os.cpu_count() or 1
    crowded = [row for row in rows if row.threads * row.streams > cores]
    if crowded:
        most = max(crowded, key=lambda row: row.threads * row.streams)
        notes.append(
            f"{most.streams} x {most.threads} threads share {cores} cores: threads that wait for "
            f"each other make this slower than fewer of them"
        )
    unsteady = list(dict.fromkeys(row.name for row in rows if _is_unsteady(row)))
    if unsteady:
        notes.append(
            f"rounds of {', '.join(unsteady)} differ by more than {UNSTEADY:.0%}: the machine was "
            f"busy, hot or throttled; repeat it"
        )
    random = [one.name for one in subjects if one.is_recipe]
    if random:
        notes.append(
            f"{', '.join(random)}: random weights find other boxes than trained ones, and "
            f"postprocessing takes another time"
        )
    return notes


def _is_unsteady(row: BenchmarkRow) -> bool:
    """Compare the quartiles of the rounds with their median."""
    low, middle, high = np.quantile(row.rounds_ms, [0.25, 0.5, 0.75])
    return bool(high - low > UNSTEADY * middle)


def _with_accuracy(
    result: BenchmarkResult, subjects: Sequence[Subject], options: BenchmarkOptions
) -> BenchmarkResult:
    """Evaluate each model on the data by COCO's rules; None for random weights."""
    values: dict[str, float | None] = {}
    for subject in subjects:
        if not subject.is_recipe:
            options.notify(f"evaluating {subject.name}")
            values[subject.given] = _average_precision(subject, options)
    rows = tuple(replace(row, average_precision=values.get(row.model)) for row in result.rows)
    return replace(result, rows=rows)


def _average_precision(subject: Subject, options: BenchmarkOptions) -> float | None:
    """Evaluate one model; None, with a message, where it lacks a class of the data."""
    try:
        report = evaluate(
            subject.given,
            options.data,
            split=options.split,
            device=options.device,
            progress=options.progress or False,
            **vars(options.reading),
        )
    except DataError as error:
        options.notify(f"{subject.name} is not evaluated: {error}")
        return None
    return report.mean_average_precision
