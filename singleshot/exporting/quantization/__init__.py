"""Int8: quantisation after training, and the gate that every quantised model has to pass.

1. `images`: what to calibrate on, and what to measure AP on.
2. `settings`: the ways of quantising that a format tries in turn, by its own `quantize`.
3. `bias_correction`: what is done before the network leaves PyTorch, for all formats alike.
4. `gate`: AP and the error of the outputs, and whether they are good enough.
5. `sensitivity`: which layers to leave in floating point where they are not.
6. `quantize`: the workflow; `record`: what it reports.
"""
