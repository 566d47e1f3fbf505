"""Detectors by name: `opening` loads one, `listing` lists recipes, `summary` counts a network.

`pretrained` is the table of published detectors, `download` fetches one of them.
"""
