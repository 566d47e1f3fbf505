"""YOLO's layouts: which classes there are, and which folders or lists of images are a split.

They are stated by `data.yaml` (Ultralytics) or `obj.data` (darknet), else by the folders themselves
with `classes.txt` or `obj.names`. What these files name is looked for in their own folder only:
paths of another computer are found by their last parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from singleshot.data.findings import Findings
from singleshot.data.formats.split_names import names_split
from singleshot.data.image_files.suffixes import image_suffixes
from singleshot.errors import DataError
from singleshot.files import describe_damage, walk_files, without_hidden

__all__ = ["YoloLayout", "counterpart", "find_folder", "find_layout", "is_label", "recognise"]

YAMLS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")  # the first of several
CLASS_FILES = ("classes.txt", "obj.names", "voc.names", "predefined_classes.txt")
OTHER_KEYS = ("path", "names", "nc", "download", "roboflow", "kpt_shape", "flip_idx", "channels")
MOST_FILES = 100_000  # looked at to recognise a folder
MOST_PROBES = 20  # files opened to recognise labels
MOST_BYTES = 1 << 20  # of a YAML file
_CLASSES = re.compile(rb"^\s*[\"']?(names|nc)[\"']?\s*:", re.MULTILINE)
_SPLIT = re.compile(rb"^[\"']?(train|val|valid|test|all)\w*[\"']?\s*:", re.MULTILINE)
_PAIR = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


@dataclass
class YoloLayout:
    """Parts of a data set in YOLO's format."""

    root: Path
    file: Path  # that states the classes, or the folder
    class_names: Sequence[str] | None  # None: classes are called by their numbers
    splits: dict[str, list[Path]]  # of each the folders of images, and text files that list some
    findings: Findings = field(default_factory=Findings)
    num_keypoints: int = 0  # columns behind each box


def find_layout(path: Path) -> YoloLayout | None:
    """Find the layout of a folder or file; None for another format.

    Raises:
        DataError: data.yaml or obj.data is there and cannot be read.
    """
    if path.is_file():
        return _of_file(path, path.parent)
    for file in _config_files(path):
        if layout := _of_file(file, path):
            return layout
    splits = _folder_splits(path)
    if not splits:
        return None
    listed = next(_class_files(path), None)
    names = None if listed is None else _read_names(listed)
    return YoloLayout(path, listed or path, names, splits)


def recognise(path: Path) -> bool:
    """Check whether there is such a layout, without reading more than the first bytes."""
    if path.is_file():
        return _is_config(path)
    return any(map(_is_config, _config_files(path))) or bool(_folder_splits(path))


def counterpart(path: Path, root: Path, old: str, new: str) -> Path | None:
    """Replace the last folder `old` of a path within `root` by `new`: `images/` by `labels/`."""
    parts = list(path.relative_to(root).parts) if path.is_relative_to(root) else []
    for index in reversed(range(len(parts))):
        if parts[index].lower() == old:
            return root.joinpath(*parts[:index], new, *parts[index + 1 :])
    return None


def find_folder(text: str, root: Path, bases: Sequence[Path]) -> Path | None:
    """Find what a path names, perhaps on another computer: inside `root`, by its last parts.

    Ultralytics, too, reads `../train/images` as `train/images`.
    """
    parts = _inner_parts(text)
    if "\0" in text:
        return None
    for base in bases:
        if (found := base.joinpath(*parts)).exists():
            return found
    tails = (root.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((found for found in tails if found.exists()), None)


def is_label(file: Path) -> bool:
    """Check whether a text file begins with a class number and four numbers or more."""
    try:
        with file.open("rb") as opened:
            begin = opened.read(4096).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return False
    line = next((line for line in begin.splitlines() if line.strip()), b"").split()
    try:
        numbers = [float(one) for one in line]
    except ValueError:
        return False
    return len(numbers) >= 5 and numbers[0].is_integer()


def _inner_parts(text: str) -> list[str]:
    """Split a path of any system, without drive, root and all up to the last `..`."""
    parts = [part for part in re.split(r"[\\/]+", text.strip()) if part not in ("", ".")]
    ups = [index for index, part in enumerate(parts) if part == ".." or part.endswith(":")]
    return parts[ups[-1] + 1 :] if ups else parts


def _config_files(path: Path) -> list[Path]:
    """List the files that may state a layout, the likeliest first."""
    files = [
        file
        for file in without_hidden(path.iterdir())
        if file.suffix.lower() in (".yaml", ".yml", ".data") and file.is_file()
    ]
    return sorted(files, key=lambda file: (file.name not in YAMLS, file.name))


def _is_config(file: Path) -> bool:
    """Check the first bytes of a file for classes and splits."""
    try:
        with file.open("rb") as opened:
            begin = opened.read(MOST_BYTES)
    except OSError:
        return False
    if file.suffix.lower() == ".data":
        keys = {found[1] for found in _PAIR.finditer(begin.decode("utf-8", "replace"))}
        return "names" in keys and bool(keys & {"train", "valid", "test"})
    if file.suffix.lower() not in (".yaml", ".yml") or not _CLASSES.search(begin):
        return False
    return _SPLIT.search(begin) is not None or bool(_folder_splits(file.parent))


def _of_file(file: Path, root: Path) -> YoloLayout | None:
    """Read data.yaml or obj.data."""
    if not _is_config(file):
        return None
    return _of_darknet(file, root) if file.suffix.lower() == ".data" else _of_yaml(file, root)


def _of_darknet(file: Path, root: Path) -> YoloLayout:
    """Read darknet's `obj.data`: lines `key = value`, paths as seen from darknet's folder."""
    values = dict(_PAIR.findall(_read_text(file)))
    layout = YoloLayout(root, file, None, {})
    names = find_folder(values["names"], root, [root])
    if names is None:
        layout.findings.add(
            "reader", f"{file}: there is no {values['names']}: classes are numbered"
        )
    else:
        layout.class_names = _read_names(names)
        _compare_count(values.get("classes"), layout)
    for key, value in values.items():
        if names_split(key):
            _add_split(layout, key, [value], [root])
    return _with_folders(layout)


def _of_yaml(file: Path, root: Path) -> YoloLayout:
    """Read Ultralytics' `data.yaml`."""
    values = _parse_yaml(file)
    layout = YoloLayout(root, file, _names_of(values.get("names"), file), {})
    if layout.class_names is None:
        layout.findings.add("reader", f"{file}: has no names: classes are numbered")
    else:
        _compare_count(values.get("nc"), layout)
    layout.num_keypoints = _num_keypoints(values.get("kpt_shape"), file)
    bases = [root]
    stated = values.get("path")
    if isinstance(stated, str) and _inner_parts(stated):
        inside = find_folder(stated, root, [root])
        if inside is not None and inside.is_dir():
            bases.insert(0, inside)
        elif root.name != _inner_parts(stated)[-1]:
            layout.findings.add(
                "reader", f"{file}: path {stated} is not in its folder: took its folder instead"
            )
    for key, value in values.items():
        listed = value if isinstance(value, list) else [value]
        texts = [one for one in listed if isinstance(one, str) and one.strip()]
        if key not in OTHER_KEYS and texts:
            _add_split(layout, key, texts, bases)
    return _with_folders(layout)


def _add_split(layout: YoloLayout, name: str, texts: Sequence[str], bases: Sequence[Path]) -> None:
    """Find the folders and lists of a split; what is not there is noted."""
    found = []
    for text in texts:
        place = find_folder(text, layout.root, bases) or _labels_alone(text, layout.root)
        if place is not None:
            found.append(place)
        elif names_split(name) or found:
            layout.findings.add("reader", f"{layout.file}: there is no {text} ({name})")
    if found:
        layout.splits[name] = found


def _labels_alone(text: str, root: Path) -> Path | None:
    """Return a folder of images that is not there, where that of its labels is."""
    parts = _inner_parts(text)
    for start in range(len(parts)):
        images = root.joinpath(*parts[start:])
        labels = counterpart(images, root, "images", "labels")
        if labels is not None and labels.is_dir():
            return images
    return None


def _with_folders(layout: YoloLayout) -> YoloLayout:
    """Take the splits from the folders where the file names none that is there."""
    layout.splits = layout.splits or _folder_splits(layout.root)
    if not layout.splits:
        raise DataError(
            f"{layout.file}: none of its folders and lists of images is in {layout.root}; correct "
            f"its paths, or move it to the images"
        )
    return layout


def _compare_count(stated: object, layout: YoloLayout) -> None:
    """Report a number of classes that is not that of the names."""
    names = layout.class_names or ()
    if isinstance(stated, str) and stated.isdecimal() and int(stated) != len(names):
        layout.findings.add(
            "entry", str(layout.file), f"states {stated} classes and names {len(names)}"
        )


def _parse_yaml(file: Path) -> Mapping[str, Any]:
    """Load a YAML file as text, lists and mappings; DataError for anything else in it.

    As text, because YAML takes a class called `no` for false and `1e3` for a number. Tags, which
    could create any object, and aliases, which could grow without bounds, are refused.
    """
    import yaml  # noqa: PLC0415 (few data sets have such a file)

    text = _read_text(file)
    try:
        if any(isinstance(one, yaml.AliasEvent) for one in yaml.parse(text, yaml.SafeLoader)):
            raise DataError(f"{file}: has aliases (*name); write out what they stand for")
        loader = yaml.SafeLoader(text)
        loader.yaml_implicit_resolvers = {}
        values = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise DataError(f"{file}{where}: cannot be read as YAML ({reason}); correct it") from None
    except RecursionError:
        raise DataError(f"{file}: is nested too deeply; correct it") from None
    if not isinstance(values, dict):
        raise DataError(f"{file}: has no keys; expected names, train, val")
    return {str(key): value for key, value in values.items()}


def _names_of(names: object, file: Path) -> list[str] | None:
    """Read class names: a list, or a mapping from their numbers."""
    if isinstance(names, dict):
        numbers = [int(key) if str(key).isdecimal() else -1 for key in names]
        if sorted(numbers) != list(range(len(numbers))):
            raise DataError(f"{file}: the keys of names are not 0, 1, 2 …; correct them")
        names = [name for _, name in sorted(zip(numbers, names.values(), strict=True))]
    if not isinstance(names, list):
        if names:
            raise DataError(f"{file}: names is {str(names)[:60]!r}; expected a list of class names")
        return None
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise DataError(f"{file}: names has an entry that is no text; expected class names")
    return _checked([name.strip() for name in names], file)


def _num_keypoints(shape: object, file: Path) -> int:
    """Read the columns of keypoints, `kpt_shape: [17, 3]`."""
    if shape is None:
        return 0
    if isinstance(shape, list) and len(shape) == 2 and all(str(one).isdecimal() for one in shape):
        return int(shape[0]) * int(shape[1])
    raise DataError(f"{file}: kpt_shape is {str(shape)[:60]}; expected [points, 2 or 3]")


def _read_names(file: Path) -> list[str]:
    """Read class names, one in a line."""
    return _checked([line.strip() for line in _read_text(file).strip().splitlines()], file)


def _checked(names: list[str], file: Path) -> list[str]:
    """Raise DataError for an empty name, or one that occurs twice."""
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            raise DataError(f"{file}: class {index} is called {name!r}; give each its own name")
    return names


def _read_text(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"{file}: is larger than a megabyte; expected names and paths")
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = describe_damage(file) or f"cannot be read as UTF-8 ({error})"
        raise DataError(f"{file}: {reason}; save it as UTF-8") from error


def _class_files(path: Path) -> Iterator[Path]:
    """Yield the files that may name the classes."""
    for folder in (path, path / "labels", path / "data"):
        named = [folder / name for name in CLASS_FILES]
        yield from (file for file in named if file.is_file())
        if folder.is_dir():
            yield from sorted(without_hidden(folder.glob("*.names")))


def _folder_splits(path: Path) -> dict[str, list[Path]]:
    """Find the folders of images of each split by their names; split "" for no splits."""
    labels = path / "labels"
    if labels.is_dir():
        if not _holds_labels(labels):
            return {}
        named = {
            folder.name: [path / "images" / folder.name]
            for folder in _folders_in(labels)
            if names_split(folder.name)
        }
        # Without a folder of images they are beside the labels, or elsewhere.
        return named or {"": [path / "images"]}
    if not any(_class_files(path)):
        return {"": [path]} if _has_pair(path) else {}
    named = {
        folder.name: [folder]
        for folder in _folders_in(path)
        if names_split(folder.name) and _holds_labels(folder)
    }
    return named or ({"": [path]} if _holds_labels(path) else {})


def _folders_in(path: Path) -> list[Path]:
    return sorted(child for child in without_hidden(path.iterdir()) if child.is_dir())


def _holds_labels(folder: Path) -> bool:
    """Check the first text files in a folder, or below, for labels."""
    texts = (
        file for file in islice(walk_files(folder), MOST_FILES) if file.suffix.lower() == ".txt"
    )
    return any(map(is_label, islice(texts, MOST_PROBES)))


def _has_pair(folder: Path) -> bool:
    """Check the first text files for a label with its image beside."""
    texts = (file for file in without_hidden(folder.glob("*.txt")) if is_label(file))
    suffixes = image_suffixes()
    return any(
        file.with_suffix(suffix).exists()
        for file in islice(texts, MOST_PROBES)
        for suffix in (*suffixes, *(one.upper() for one in suffixes))
    )
