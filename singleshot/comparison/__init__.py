"""Comparing detectors."""
