"""Find words of our own where the field has one: `python tools/check_words.py [PATH...]`.

The words stand in tools/words.txt with what to write instead; tools/words-allowed.txt lists where a
word is right: in a quotation of a paper, in the name of another program's function.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).resolve().parent
REPOSITORY = TOOLS.parent
TEXTS = {
    ".py",
    ".md",
    ".toml",
    ".csv",
    ".html",
    ".css",
    ".js",
    ".yml",
    ".yaml",
    ".cfg",
    ".sbatch",
    "",
}
# Old names stand in the changelog, and in the list itself.
SKIPPED = ("CHANGELOG.md", "LICENSE", "tools/words", "tools/check_words.py", "benchmarks/results/")


class Word(NamedTuple):
    """A pattern that is refused, and the words to write instead."""

    pattern: re.Pattern[str]
    write: str


class Finding(NamedTuple):
    """A refused word in a file."""

    path: str
    line: int
    text: str
    write: str


def read_words(path: Path) -> list[Word]:
    """Read `pattern => write` from each line of a word list."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    pairs = [line.split(" => ") for line in lines]
    return [Word(compile_word(pattern), write) for pattern, write in pairs]


def compile_word(pattern: str) -> re.Pattern[str]:
    """Compile a pattern to match between letters, over the ends of lines and of comments."""
    spaced = pattern.replace(" ", r"(?:\s+(?:#\s*)?|_|-)")
    return re.compile(rf"(?<![A-Za-z])(?i:{spaced})(?![a-z]|(?<=[A-Z])[A-Z])")


def read_allowed(path: Path) -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    """Read `path pattern => line pattern` of each exception."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    pairs = [line.split(" => ") for line in lines]
    return [(re.compile(file), re.compile(text)) for file, text in pairs]


def list_files(paths: list[str]) -> Iterator[str]:
    """List the tracked text files under the given paths, relative to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *paths]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        file = REPOSITORY / name
        if file.suffix in TEXTS and not name.startswith(SKIPPED) and file.is_file():
            yield name


def find_words(name: str, words: list[Word]) -> Iterator[Finding]:
    """Find refused words in one file, and in its name."""
    text = (REPOSITORY / name).read_text()
    lines = text.splitlines()
    for word in words:
        for match in word.pattern.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            found = " ".join(match[0].split())
            yield Finding(name, number, f"{found!r} in: {lines[number - 1].strip()}", word.write)
        if match := word.pattern.search(name):
            yield Finding(name, 0, f"{match[0]!r} in the file's name", word.write)


def main(paths: list[str]) -> int:
    """Print the findings, and how many each file has; the exit code is 1 if there are any."""
    words = read_words(TOOLS / "words.txt")
    allowed = read_allowed(TOOLS / "words-allowed.txt")
    findings = [
        finding
        for name in list_files(paths)
        for finding in find_words(name, words)
        if not any(file.search(name) and text.search(finding.text) for file, text in allowed)
    ]
    for finding in sorted(findings):
        print(f"{finding.path}:{finding.line}: {finding.text}\n    write: {finding.write}")
    for path, count in Counter(finding.path for finding in findings).most_common(20):
        print(f"{count:5} {path}", file=sys.stderr)
    print(f"{len(findings)} words of our own", file=sys.stderr)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
