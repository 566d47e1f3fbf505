"""Measure speed and memory of detectors on one machine.

Reading order: `timing` (several detectors in alternating turns), `timing_worker` (one detector, in
a process of its own).
"""
