"""Fill in the generated parts of pages and add generated pages: what mkdocs calls."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from recipe_pages import common_keys, key_pages, recipe_pages, recipe_table
from tutorial.lessons import Lesson, find_lessons
from tutorial.notebooks import to_notebook
from typer.main import get_command
from typer.testing import CliRunner

from singleshot import metrics
from singleshot.benchmarking.options import BenchmarkOptions
from singleshot.cli import app
from singleshot.comparison.options import ComparisonOptions, TutorialOptions
from singleshot.data.converting import ConvertOptions
from singleshot.data.opening import OpeningOptions
from singleshot.evaluation.options import EvaluationOptions, ScoreOptions
from singleshot.exporting.options import ExportOptions
from singleshot.inspection.check.options import CheckOptions
from singleshot.inspection.coverage.options import CoverageOptions
from singleshot.inspection.preview.options import PreviewOptions
from singleshot.inspection.splitting.options import SplitOptions
from singleshot.inspection.statistics.options import StatisticsOptions
from singleshot.metrics import diagnosis
from singleshot.options import options_of
from singleshot.prediction.options import PredictionOptions
from singleshot.recipes.load import InitialWeights, load_recipe
from singleshot.recipes.toml import flat, toml_value
from singleshot.serving.options import ServingOptions
from singleshot.training.options import TrainingOptions
from singleshot.tuning.options import TuningOptions

SMALL = "ssdlite320-lite0"  # the recipe that is shown where one stands for all


def on_config(config: MkDocsConfig) -> None:
    """List the generated pages in the sections of the navigation that carry their title."""
    (reference,) = (part["Reference"] for part in config.nav if "Reference" in part)
    for section in reference:
        if isinstance(section, dict):
            for title, below in section.items():
                below.extend(generated_pages()[title])


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages, and the notebooks of the tutorial."""
    for pages in generated_pages().values():
        for path, content in pages.items():
            files.append(File.generated(config, path, content=content))
    for lesson in lessons().values():
        path = f"tutorial/notebooks/{lesson.name}.ipynb"
        files.append(File.generated(config, path, content=to_notebook(lesson)))


@cache
def generated_pages() -> dict[str, dict[str, str]]:
    """Write the pages of each section: the path of a page and its Markdown."""
    return {"Recipes": recipe_pages(), "Keys of recipes": key_pages()}


@cache
def lessons() -> dict[str, Lesson]:
    """Read the lessons of the tutorial: the path of a page and its lesson."""
    return {f"tutorial/{lesson.path.name}": lesson for lesson in find_lessons()}


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Replace the marks on a page; mkdocs calls this for each page."""
    if page.file.src_uri in lessons():
        return lessons()[page.file.src_uri].to_page()
    for mark, generate in GENERATED.items():
        comment = f"<!-- generated: {mark} -->"
        if comment in markdown:
            markdown = markdown.replace(comment, "\n".join(generate()))
    return markdown


def commands() -> Iterator[str]:
    """Print the help text of every command."""
    yield from help_of(get_command(app), ())


def help_of(command: Any, names: tuple[str, ...]) -> Iterator[str]:
    """Print the help text of a command, and of its subcommands."""
    title = " ".join(["singleshot", *names])
    text = CliRunner().invoke(app, [*names, "--help"], prog_name="singleshot").stdout
    yield f"## {title}\n\n```{{ .text .help }}\n{text.strip()}\n```\n"
    for name, below in getattr(command, "commands", {}).items():
        yield from help_of(below, (*names, name))


def options() -> Iterator[str]:
    """Print the options of each function that takes an options dataclass."""
    for name, kind in OPTIONS.items():
        rows = [
            f"| `{one.name}` | {'' if one.kind == 'callback' else f'`{one.flag}`'} | {one.help} |"
            for one in options_of(kind)
            if one.kind != "argument"
        ]
        yield f"### singleshot.{name}\n\n| argument | command line | meaning |\n|---|---|---|"
        yield "\n".join([*rows, ""])


def fine_tuning() -> Iterator[str]:
    """Print the keys that differ where a training starts from a detector."""
    starts: list[InitialWeights] = ["classifier", "detector", "known"]
    columns = [flat(load_recipe(SMALL, start=start).model_dump(mode="json")) for start in starts]
    yield f"| key | `{SMALL}` from ImageNet | from a detector | from one that knows all classes |"
    yield "|---|---|---|---|"
    for key in columns[0]:
        values = [f"`{toml_value(column.get(key))}`" for column in columns]
        if len(set(values)) > 1:
            yield f"| `{key}` | {' | '.join(values)} |"


def functions() -> Iterator[str]:
    """Print each public function and type of `singleshot.metrics`, module by module."""
    for package in (metrics, diagnosis):
        public = [value for name, value in vars(package).items() if not name.startswith("_")]
        own = [one for one in public if defined_in(package, one)]
        order = sorted(own, key=lambda one: (one.__module__, inspect.getsourcelines(one)[1]))
        for module, members in groupby(order, key=inspect.getmodule):
            yield from of_module(module, members)


def defined_in(package: Any, member: Any) -> bool:
    """Tell whether a function or class comes from a module of this very package."""
    documented = inspect.isroutine(member) or inspect.isclass(member)
    return documented and member.__module__.rpartition(".")[0] == package.__name__


def of_module(module: Any, members: Iterator[Any]) -> Iterator[str]:
    """Print the docstring of a module, then its functions and types in their order."""
    path = module.__name__.removeprefix("singleshot.")
    yield f"## {path}\n\n{as_markdown(module.__doc__)}\n"
    for member in members:
        yield f"### {member.__name__}\n\n```python\n{declaration(member)}\n```\n"
        yield f"{as_markdown(member.__doc__)}\n"


def declaration(member: Any) -> str:
    """Print a function's signature, or a class with its fields and the comments beside them."""
    head, _, rest = inspect.getsource(member).partition('"""')
    if not inspect.isclass(member):
        return head.rstrip()
    fields = re.split(r"\n\n    (?=def |@)", rest.partition('"""')[2])[0]
    return f"{head.rstrip()}\n" + fields.strip("\n")


def as_markdown(docstring: str) -> str:
    """Turn a docstring's arguments and errors into lists; the rest is Markdown already."""
    text = re.sub(r"^(Args|Returns|Raises):$", r"*\1:*\n", inspect.cleandoc(docstring), flags=re.M)
    return re.sub(r"^    (\w+): (?=\w)", r"- `\1`: ", text, flags=re.M)


OPTIONS = {
    "train": TrainingOptions,
    "evaluate": EvaluationOptions,
    "score": ScoreOptions,
    "predict": PredictionOptions,
    "export": ExportOptions,
    "serve": ServingOptions,
    "benchmark": BenchmarkOptions,
    "compare": ComparisonOptions,
    "compare_with_tutorial": TutorialOptions,
    "tune": TuningOptions,
    "open_dataset": OpeningOptions,
    "measure_coverage": CoverageOptions,
    "preview_data": PreviewOptions,
    "split_dataset": SplitOptions,
    "convert_dataset": ConvertOptions,
    "describe_dataset": StatisticsOptions,
    "check_dataset": CheckOptions,
}
GENERATED = {
    "fine_tuning": fine_tuning,
    "commands": commands,
    "options": options,
    "recipes": recipe_table,
    "keys": common_keys,
    "metrics": functions,
}
