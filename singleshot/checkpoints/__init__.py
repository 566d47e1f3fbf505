"""Checkpoints: `checkpoint` stores and rebuilds detectors, `transfer` starts others from them."""
