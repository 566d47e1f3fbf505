"""Int8: quantisation after training."""
