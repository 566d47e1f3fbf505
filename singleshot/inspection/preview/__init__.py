"""Preview a training: augmented samples, the priors matched to their objects, hard negatives.

Reading order: `options`, `preview` (the workflow), `scene` (a sample with its priors as boxes),
`figures` (PNG files), `page` (the HTML page), `tables` (the terminal).
"""
