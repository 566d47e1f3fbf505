"""Detectors by name: `opening` loads one, `listing` lists recipes, `summary` counts a network."""
