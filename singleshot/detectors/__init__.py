"""The detectors, a folder for each family; `detector.py` is what they have in common."""
