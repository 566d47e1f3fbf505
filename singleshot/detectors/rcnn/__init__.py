"""Detectors that classify regions: R-CNN, Fast R-CNN, Faster R-CNN and R-FCN."""
