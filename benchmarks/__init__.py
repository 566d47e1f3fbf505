"""Measurements, each against a peer in the same run. A timing is never a test."""
