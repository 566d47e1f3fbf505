"""`singleshot export`: a detector as a folder that runs without this package."""

from typing import TYPE_CHECKING

from singleshot.cli.checks import check_export
from singleshot.cli.options import Debug, Json, Model, examples, with_options
from singleshot.cli.output import note, print_json, print_result
from singleshot.exporting.options import ExportOptions

if TYPE_CHECKING:
    from singleshot.exporting.export import ExportResult

EXAMPLES = examples(
    "singleshot export runs/cells --to onnx --evaluate cells",
    "singleshot export runs/cells --to openvino --contract raw --skip-timing --output exports/raw",
)


@with_options(ExportOptions)
def export(
    model: Model,
    *,
    options: ExportOptions,
    json: Json = False,
    _debug: Debug = False,
) -> None:
    """Export a detector to another runtime.

    Writes a folder with the model, its manifest and a program that runs it, which needs neither
    this package nor PyTorch.
    """
    check_export(model, options)
    import singleshot

    result = singleshot.export(model, **vars(options.with_callbacks(on_message=note)))
    print_export(result, json=json)


def print_export(result: "ExportResult", *, json: bool) -> None:
    """Print the folder and its files, as JSON or as text."""
    if json:
        print_json(result.to_json())
        return
    from singleshot.exporting.parity_table import format_parity

    print_result(f"exported: {result.folder} ({', '.join(result.manifest.files)})")
    print_result(format_parity(result.manifest.parity))
