"""What checks arguments and results of our functions while tests run."""

from beartype import BeartypeConf, beartype

# As for mypy, a whole number will do where a float is expected.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
