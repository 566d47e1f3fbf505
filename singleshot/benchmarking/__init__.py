"""Measure speed and memory of detectors on one machine.

Reading order: `options`, `benchmark` (the workflow), `subjects` and `images` (what is timed),
`timing` (several detectors in alternating turns) and `streams` (copies of one at the same time),
`timing_process` and `timing_worker` (a detector in a process of its own), `phases` (preprocessing,
network and postprocessing apart), `network_check` (the network by other means), `machine`
(processor, load, energy), `about` (runtime, precision, size), `result` (all numbers, and the JSON),
`tables` (the terminal), `page`.
"""
