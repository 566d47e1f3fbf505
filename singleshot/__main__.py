"""`python -m singleshot`, which torchrun needs, is the command `singleshot`."""

from singleshot.cli import main

main()
