"""Record a training in MLflow: recipe, steps, validations, report and best weights."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from singleshot.errors import SingleshotError, StorageError
from singleshot.files import write_atomically
from singleshot.recipes.load import load_run_recipe
from singleshot.recipes.toml import flat
from singleshot.runs.callbacks import EvaluationRecord, OnMessage, StartRecord, StepRecord
from singleshot.runs.folder import RunFolder
from singleshot.runs.log import CURVES, curve_points, read_log, step_line
from singleshot.version import __version__

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

__all__ = ["MlflowLog"]

EXPERIMENT = "singleshot"
SECONDS_BETWEEN_WRITES = 5.0  # a write takes about as long as a step
LONGEST_PAUSE = 600.0  # seconds until a store that is away is tried again
SECONDS_TO_END = 10.0  # that the end of a training waits for a store at most
MOST_PARAMETERS = 100  # that MLflow takes at once
MOST_RECORDS = 100  # at once: MLflow takes 1000 metrics
# MLflow's own settings would delay a training by minutes where a server does not answer.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
# Metrics of every step and of every validation: their last steps are the last ones recorded.
OF_STEPS, OF_VALIDATIONS = "learning_rate", "mean_average_precision"

Record = Mapping[str, Any]  # a line of log.jsonl
Timed = tuple[Record, int]  # with its time in milliseconds


class _Call(Thread):
    """A call of MLflow in a thread, waited for only by `join`."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)  # the program may leave before the store answers
        self.work = work
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Run the call and keep its error."""
        try:
            self.work()
        except Exception as error:
            self.error = error


class MlflowLog:
    """Record a training in MLflow; a run that is resumed, also after a crash, stays the same run.

    The store is `MLFLOW_TRACKING_URI`, else SQLite under `mlruns/`. Without that variable nothing
    reaches the network, and MLflow's own reports on its use are off. Steps are sent by a thread:
    no training waits for a store. One that is away is tried again after ever longer pauses.
    """

    def __init__(self, folder: RunFolder, on_message: OnMessage) -> None:
        """Raise SingleshotError where MLflow is not installed or its store cannot be reached."""
        self.folder, self.warn = folder, on_message
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or _embedded_store()
        self.client = _client(self.uri)
        self.run_id = ""
        self.unsent: list[Timed] = []
        self.being_sent: list[Timed] = []
        self.under_way: _Call | None = None
        self.pause = SECONDS_BETWEEN_WRITES
        self.next_write = 0.0

    def on_start(self, start: StartRecord) -> None:
        """Begin a run or resume the existing one after its last recorded step."""
        self.open()
        # What was not sent before a crash is in the log.
        self.add(line for line in read_log(self.folder.log) if line["step"] <= start.first_step)

    def open(self) -> None:
        """Find or begin the run; raises StorageError where the store cannot be reached."""
        with _storage_errors("cannot be reached"):
            self.run_id = self.known_run() or self.begin_run()
            self.client.update_run(self.run_id, status="RUNNING")
            self.known = {name: self.last_known(name) for name in (OF_STEPS, OF_VALIDATIONS)}

    def on_step(self, step: StepRecord) -> None:
        """Record a point of each curve."""
        self.add([step_line(step)])

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Record a point of the curve."""
        self.add([asdict(record)])

    def on_message(self, message: str) -> None:
        """Ignore messages: MLflow records numbers."""

    def on_finish(self) -> None:
        """Send what is left, if the store answers."""
        end = time.monotonic() + SECONDS_TO_END
        while self.unsent or self.under_way:
            self.under_way = self.under_way or self.write()
            self.under_way.join(max(end - time.monotonic(), 0.0))
            if self.under_way.is_alive() or not self.finish_write(self.under_way):
                lacking = len(self.being_sent) + len(self.unsent)
                self.warn(f"MLflow ({self.uri}) lacks the last {lacking} records")
                return

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Mark a run as failed after an error, and as killed after an interrupt."""
        try:
            yield
        except KeyboardInterrupt:
            self.mark("KILLED")
            raise
        except Exception:
            self.mark("FAILED")
            raise

    def mark(self, status: str) -> None:
        """Set the status of the run, if it has begun."""
        if self.run_id:
            _Call(lambda: self.client.set_terminated(self.run_id, status)).join(SECONDS_TO_END)

    def keep_files(self, *, finished: bool) -> None:
        """Upload the recipe and, of a finished run, the report page and the best weights."""
        expected: tuple[type[Exception], ...] = (StorageError, *_mlflow_errors())
        files = [self.folder.recipe]
        if finished:
            files += [self.folder.report, self.folder.checkpoint()]
        try:
            if not self.run_id:
                self.open()
            for file in files:
                if file.exists():
                    self.client.log_artifact(self.run_id, str(file))
            self.client.set_terminated(self.run_id, "FINISHED" if finished else "KILLED")
        except expected as error:
            self.warn(
                f"MLflow ({self.uri}) did not take the files of the run: {_first_line(error)}"
            )

    def add(self, records: Iterable[Record]) -> None:
        """Queue records, and send them every few seconds."""
        for record in records:
            kind = OF_STEPS if OF_STEPS in record else OF_VALIDATIONS
            if record["step"] > self.known[kind]:
                # Lines of the log have the time when they were written.
                self.unsent.append((record, round(1000 * record.get("time", time.time()))))
        if self.under_way is not None and not self.under_way.is_alive():
            self.finish_write(self.under_way)
        if self.unsent and self.under_way is None and time.monotonic() >= self.next_write:
            self.under_way = self.write()

    def write(self) -> _Call:
        """Start sending the first queued records."""
        self.being_sent, self.unsent = self.unsent[:MOST_RECORDS], self.unsent[MOST_RECORDS:]
        metrics = [point for record in self.being_sent for point in _points(*record)]
        return _Call(lambda: self.client.log_batch(self.run_id, metrics=metrics))

    def finish_write(self, written: _Call) -> bool:
        """Handle the end of a write; its records are queued again while the store is away."""
        self.under_way, error = None, written.error
        if error is None:
            self.pause = SECONDS_BETWEEN_WRITES
        elif isinstance(error, _mlflow_errors()):
            self.unsent = self.being_sent + self.unsent
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
            self.warn(
                f"MLflow ({self.uri}) cannot be written to: {_first_line(error)}; tried again in "
                f"{self.pause:.0f} s"
            )
        else:
            raise error
        self.being_sent = []
        behind = error is None and len(self.unsent) >= MOST_RECORDS
        self.next_write = time.monotonic() + (0.0 if behind else self.pause)
        return error is None

    def known_run(self) -> str | None:
        """Return the id of this folder's run in the same store; None without one."""
        if not self.note.exists():
            return None
        noted = json.loads(self.note.read_text(encoding="utf-8"))
        return str(noted["run_id"]) if noted["tracking_uri"] == self.uri else None

    def begin_run(self) -> str:
        """Begin a run with the recipe as its parameters, and write its id into the folder."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self.client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        tags = {"singleshot.version": __version__, "singleshot.run": str(self.folder.path)}
        run_name = self.folder.path.name
        run_id = str(self.client.create_run(number, tags=tags, run_name=run_name).info.run_id)
        self.log_recipe(run_id)
        with write_atomically(self.note) as beside:
            noted = {"tracking_uri": self.uri, "run_id": run_id}
            beside.write_text(json.dumps(noted), encoding="utf-8")
        return run_id

    def log_recipe(self, run_id: str) -> None:
        """Record every key of the resolved recipe as a parameter."""
        from mlflow.entities import Param  # noqa: PLC0415

        recipe = load_run_recipe(self.folder.recipe).model_dump(mode="json")
        parameters = [Param(key, str(value)) for key, value in flat(recipe).items()]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self.client.log_batch(run_id, params=parameters[start : start + MOST_PARAMETERS])

    def last_known(self, name: str) -> int:
        """Return the last recorded step; a resumed training repeats the same numbers after it.

        -1 where there is none: the validation before training has step 0.
        """
        history = self.client.get_metric_history(self.run_id, CURVES[name])
        return max((point.step for point in history), default=-1)

    @property
    def note(self) -> Path:
        """File with the id of the run in MLflow."""
        return self.folder.path / "mlflow.json"


def _points(record: Record, milliseconds: int) -> Iterator[Metric]:
    """Yield a point of each curve that a record has."""
    from mlflow.entities import Metric  # noqa: PLC0415 (an extra)

    for curve, value in curve_points(record).items():
        yield Metric(curve, float(value), milliseconds, record["step"])


def _embedded_store() -> str:
    """Return the URI of a file in the current folder, where `mlflow server` finds it."""
    path = Path("mlruns", "mlflow.db").absolute()
    path.parent.mkdir(exist_ok=True)
    return f"sqlite:///{path}"


def _client(uri: str) -> MlflowClient:
    """Make the MLflow client; SingleshotError where MLflow is missing or does not answer."""
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", **PATIENCE}.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # MLflow's own use of SQLAlchemy is deprecated, and nothing a user can fix.
        warnings.simplefilter("ignore")
        try:
            from mlflow.tracking import MlflowClient  # noqa: PLC0415
        except ImportError as error:
            raise SingleshotError(
                "tracking needs MLflow; install it with: pip install 'singleshot[mlflow]'"
            ) from error
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with _storage_errors("cannot be reached"):
            return MlflowClient(tracking_uri=uri)


@contextmanager
def _storage_errors(what: str) -> Iterator[None]:
    """Turn MLflow's errors into a StorageError."""
    try:
        yield
    except _mlflow_errors() as error:
        raise StorageError(
            f"MLflow {what}: {_first_line(error)}; set another MLFLOW_TRACKING_URI, or leave "
            f"--track out"
        ) from error


def _mlflow_errors() -> tuple[type[Exception], ...]:
    """List the errors that MLflow raises for its store and for a server that is away."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    return (MlflowException, OSError)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
