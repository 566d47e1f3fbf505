"""Check the subjects of commits: `python tools/check_commits.py [BASE]`, without BASE since FIRST.

A subject is imperative (which is not checked), has at most 72 characters and no period at its end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FIRST = "2a423cf"  # the last commit before this was a rule
LONGEST = 72


def git(*words: str) -> subprocess.CompletedProcess[str]:
    """Run git in the repository."""
    return subprocess.run(
        ["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def subjects_since(base: str) -> list[str]:
    """List the subjects of the commits after `base`; none where there is no such history."""
    if git("cat-file", "-e", f"{base}^{{commit}}").returncode:
        return []
    return git("log", "--no-merges", "--format=%h %s", f"{base}..HEAD").stdout.splitlines()


def is_good(subject: str) -> bool:
    """Tell whether a subject is short, begins with a capital and does not end in a period."""
    return len(subject) <= LONGEST and subject[0].isupper() and not subject.endswith(".")


def main(words: list[str]) -> int:
    """Print the subjects to rewrite; the exit code is 1 if there are any."""
    lines = subjects_since(words[0] if words else FIRST)
    bad = [line for line in lines if not is_good(line.partition(" ")[2])]
    for line in bad:
        print(f"{line}\n    write: at most {LONGEST} characters, a capital first, no period")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
