"""Parts of several families of detectors.

- `settings`, `pixels`, `resize`: the input.
- `single_size`: the base class of detectors of images of one size.
- `priors`, `box_coding`: boxes relative to priors.
- `regions`, `fully_connected`: regions to train on, and layers that classify them.
- `postprocess`: from scored boxes to detections.
"""
