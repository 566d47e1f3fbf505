"""Preview of a training: augmented samples, the priors that answer for their objects, negatives.

Reading order: `options`, `preview` (the workflow), `scene` (a sample with its priors as boxes),
`figures` (PNG files), `page` (the HTML page), `tables` (the terminal).
"""
