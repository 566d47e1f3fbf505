"""The detectors that the field tried before SSD, and beside it: to train, run and compare."""
