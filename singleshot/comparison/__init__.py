"""Compare detectors on the same images, by the same rules, on one machine.

Reading order: `options`, `compare` (the workflow), `ranking` (intervals and p-values), `result`
(all numbers, and the JSON), `tables` (the terminal), `page` with `side_by_side` (the HTML page),
`published` (numbers of papers), `tutorial` with `tutorial_page` (the tables of the tutorial that
the project follows, rebuilt). Speed and memory are measured by `benchmarking`.
"""
