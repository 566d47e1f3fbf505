"""A training in MLflow: recipe, steps, validations and the files it leaves."""

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
from typing import TYPE_CHECKING, Any

from singleshot.errors import SingleshotError, StorageError
from singleshot.files import appears_whole
from singleshot.recipes.load import flat, load_recipe
from singleshot.training.log import CURVES, read_log
from singleshot.training.run_folder import RunFolder
from singleshot.training.watch import EvaluationRecord, Plan, StepRecord
from singleshot.version import __version__

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

__all__ = ["MlflowLog"]

EXPERIMENT = "singleshot"
SECONDS_BETWEEN_WRITES = 5.0  # a write takes about as long as a step
MOST_PARAMETERS = 100  # that MLflow takes at once
MOST_RECORDS = 100  # at once: MLflow takes 1000 metrics
# What every step has, and every validation: their histories say how far MLflow knows the training.
OF_STEPS, OF_VALIDATIONS = "learning_rate", "mean_average_precision"

Record = Mapping[str, Any]  # a line of log.jsonl


class MlflowLog:
    """A watcher that tells MLflow; a run that goes on, also after a crash, stays the same run.

    The store is `MLFLOW_TRACKING_URI`, else SQLite under `mlruns/`. Without that variable nothing
    reaches the network, and MLflow's own reports on its use are off.
    """

    def __init__(self, folder: RunFolder, say: Callable[[str], None]) -> None:
        """Raises SingleshotError where MLflow is not installed or its store not to be reached."""
        self.folder, self.say = folder, say
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or embedded_store()
        self.client = client_of(self.uri)
        self.unsent: list[tuple[Record, int]] = []
        self.last_write = 0.0
        self.is_finished = False

    def started(self, plan: Plan) -> None:
        """Begin a run or go on with the one that is there, from the first step it does not know."""
        with told("cannot be reached"):
            self.run_id = self.known_run() or self.begin_run()
            self.client.update_run(self.run_id, status="RUNNING")
            self.known = {name: self.last_known(name) for name in (OF_STEPS, OF_VALIDATIONS)}
        # What was not sent before a crash is in the log.
        self.add(line for line in read_log(self.folder.log) if line["step"] <= plan.first_step)

    def stepped(self, step: StepRecord) -> None:
        """A point of each curve."""
        self.is_finished = step.step == step.num_steps
        self.add([asdict(step)])

    def evaluated(self, record: EvaluationRecord) -> None:
        """A point of the curve."""
        self.is_finished = self.is_finished or record.ends_early
        self.add([asdict(record)])

    def said(self, message: str) -> None:
        """Words are for people."""

    def finished(self) -> None:
        """Send what is left."""
        self.send()

    def keep_files(self) -> None:
        """The recipe, and, when all is done, the page and the best weights."""
        self.send()
        files = [self.folder.recipe]
        if self.is_finished:
            files += [self.folder.report, self.folder.checkpoint()]
        try:
            for file in files:
                if file.exists():
                    self.client.log_artifact(self.run_id, str(file))
            self.client.set_terminated(self.run_id, "FINISHED" if self.is_finished else "KILLED")
        except failures() as error:
            self.say(f"MLflow ({self.uri}) did not take the files of the run: {first_line(error)}")

    def add(self, records: Iterable[Record]) -> None:
        """Note records, and send them now and then: a training does not wait for a store."""
        now = round(time.time() * 1000)
        for record in records:
            kind = OF_STEPS if OF_STEPS in record else OF_VALIDATIONS
            if record["step"] > self.known[kind]:
                self.unsent.append((record, now))
        full = len(self.unsent) >= MOST_RECORDS
        if full or time.monotonic() - self.last_write > SECONDS_BETWEEN_WRITES:
            self.send()

    def send(self) -> None:
        """Write what was noted; kept for later when the store is away, as nothing is lost by it."""
        self.last_write = time.monotonic()
        try:
            while self.unsent:
                metrics = [point for pair in self.unsent[:MOST_RECORDS] for point in points(*pair)]
                self.client.log_batch(self.run_id, metrics=metrics)
                del self.unsent[:MOST_RECORDS]
        except failures() as error:
            self.say(f"MLflow ({self.uri}) cannot be written to: {first_line(error)}")

    def known_run(self) -> str | None:
        """The run in the same store that was begun with this folder; None without one."""
        if not self.note.exists():
            return None
        noted = json.loads(self.note.read_text(encoding="utf-8"))
        return str(noted["run_id"]) if noted["tracking_uri"] == self.uri else None

    def begin_run(self) -> str:
        """A new run with the recipe as its parameters, and a note in the folder which it is."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self.client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        tags = {"singleshot.version": __version__, "singleshot.run": str(self.folder.path)}
        run_name = self.folder.path.name
        run_id = str(self.client.create_run(number, tags=tags, run_name=run_name).info.run_id)
        self.log_recipe(run_id)
        with appears_whole(self.note) as beside:
            noted = {"tracking_uri": self.uri, "run_id": run_id}
            beside.write_text(json.dumps(noted), encoding="utf-8")
        return run_id

    def log_recipe(self, run_id: str) -> None:
        """Every key of the resolved recipe as a parameter."""
        from mlflow.entities import Param  # noqa: PLC0415

        recipe = load_recipe(self.folder.recipe).model_dump(mode="json")
        parameters = [Param(key, str(value)) for key, value in flat(recipe).items()]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self.client.log_batch(run_id, params=parameters[start : start + MOST_PARAMETERS])

    def last_known(self, name: str) -> int:
        """The last step that MLflow has; a resumed training repeats the same numbers after it."""
        history = self.client.get_metric_history(self.run_id, CURVES[name])
        return max((point.step for point in history), default=0)

    @property
    def note(self) -> Path:
        """Which run of MLflow this one is."""
        return self.folder.path / "mlflow.json"


def points(record: Record, milliseconds: int) -> Iterator[Metric]:
    """A point of each curve that a record has."""
    from mlflow.entities import Metric  # noqa: PLC0415 (an extra)

    for name, curve in CURVES.items():
        if record.get(name) is not None:
            yield Metric(curve, float(record[name]), milliseconds, record["step"])


def embedded_store() -> str:
    """A file in the current folder, where `mlflow server` finds it."""
    path = Path("mlruns", "mlflow.db").absolute()
    path.parent.mkdir(exist_ok=True)
    return f"sqlite:///{path}"


def client_of(uri: str) -> MlflowClient:
    """What talks to MLflow; SingleshotError where it cannot."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        # MLflow's own use of SQLAlchemy is deprecated, and nothing a user can mend.
        warnings.simplefilter("ignore")
        try:
            from mlflow.tracking import MlflowClient  # noqa: PLC0415
        except ImportError as error:
            raise SingleshotError(
                "tracking needs MLflow; install it with: pip install 'singleshot[mlflow]'"
            ) from error
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        with told("cannot be reached"):
            return MlflowClient(tracking_uri=uri)


@contextmanager
def told(what: str) -> Iterator[None]:
    """MLflow's failures as one of ours."""
    try:
        yield
    except failures() as error:
        raise StorageError(
            f"MLflow {what}: {first_line(error)}; mend MLFLOW_TRACKING_URI, or leave --track out"
        ) from error


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises for its store, and for a server that is away."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    return (MlflowException, OSError)


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
