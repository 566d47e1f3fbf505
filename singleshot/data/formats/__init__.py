"""Annotation formats: the contract in `format`, then a file for each format."""
