"""Help texts: options in groups, without types of Python."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typer.core import TyperCommand

__all__ = ["GroupedCommand"]

_OTHERS = "Options"
_GROUPS: Mapping[str, Sequence[str]] = {
    "Data": ("data", "split", "val_split", "attributes", "against", "shard"),
    "Reading": (
        "on_error",
        "images",
        "data_format",
        "normalized",
        "rescale_boxes",
        "rename_class",
        "follow_links",
    ),
    "Recipe": (
        "epochs",
        "batch_size",
        "input",
        "max_latency",
        "max_gmac",
        "overrides",
        "search",
    ),
    "Start": ("init", "class_map", "teacher"),
    "Evaluation": ("protocol", "iou_threshold", "threshold_rule", "diagnose"),
    "Timing": (
        "size",
        "batch",
        "threads",
        "streams",
        "timings",
        "rounds",
        "max_seconds",
        "check",
    ),
    "Detections": ("score_threshold",),
    "Tiles": ("tile", "tile_overlap"),
    "Videos": ("frame_step", "max_frames", "frame_batch", "reconnect_seconds"),
    "Tracking and counting": ("track", "keep_lost", "count", "count_at"),
    "Export": (
        "contract",
        "pixels",
        "batch",
        "half",
        "int8",
        "calibrate",
        "evaluate",
        "target",
        "threads",
        "skip_timing",
    ),
    "Server": ("host", "port", "api_key_file", "cors_origin", "drain_seconds"),
    "Limits": ("max_megabytes", "max_megapixels", "body_seconds", "max_waiting", "rate"),
    "Batches": ("max_batch", "batch_wait", "network_threads"),
    "Results": (
        "run",
        "resume",
        "output",
        "fit",
        "fit_input",
        "fix",
        "keep_classes",
        "report",
        "save_predictions",
        "draw",
        "jsonl",
        "to",
        "link",
        "json",
    ),
}


class GroupedCommand(TyperCommand):
    """A command whose help lists its arguments, then its options by group."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections in the order of the groups, what is in none of them last."""
        sections: dict[str, list[tuple[str, str]]] = {
            name: [] for name in ("Arguments", *_GROUPS, _OTHERS)
        }
        for group, row in self._rows(ctx):
            sections[group].append(row)
        for group, rows in sections.items():
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)

    def _rows(self, ctx: Any) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield the group, name and help of each parameter."""
        parameters = self.get_params(ctx)
        given = {one.name for one in parameters}
        # A name that is in several groups, such as `threads`, belongs to the one that the command
        # has the most options of.
        fullest_last = sorted(_GROUPS.items(), key=lambda group: len(given.intersection(group[1])))
        group_of = {name: group for group, names in fullest_last for name in names}
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            if parameter.param_type_name == "argument":
                yield "Arguments", (name.partition(" <")[0], text)
            else:
                yield group_of.get(parameter.name or "", _OTHERS), (name, text)
