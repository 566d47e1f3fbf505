"""SSD: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016 (arXiv:1512.02325)."""

# The column of the class outputs that means "nothing here"; known to this folder alone.
BACKGROUND = 0
