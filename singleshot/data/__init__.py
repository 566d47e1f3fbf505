"""Images and their annotations: formats, data sets, augmentation, batching."""
