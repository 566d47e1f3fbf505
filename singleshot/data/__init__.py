"""Images and their annotations.

Read `dataset` (annotated images), `formats` and `opening` (from files), `splits` (what to train and
to evaluate on), `augment`, `batching` (training batches), `cache` (images in memory).
"""
