"""ByteTrack: one identity for the detections of one object from frame to frame (Zhang et al. 2022).

Read `motion` (where a box will be in the next frame), `association` (which detection continues
which track), then `bytetrack`, whose `update` is the paper's algorithm 1.
"""

from singleshot.video.tracking.bytetrack import ByteTrack

__all__ = ["ByteTrack"]
