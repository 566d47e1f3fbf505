"""Boxes: geometry, then non-maximum suppression."""
