"""The tables under `model` of the detectors that came before SSD, and beside it."""
