"""A detector run over a data set and judged."""
