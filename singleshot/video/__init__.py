"""Videos, cameras and streams: frames with their times, and films of drawings.

Read `sources` (what a path, number or URL names), `containers` (opened by PyAV, an extra),
`frames` (a frame and its time), `reading` (`open_video`: every frame of a file), `live` (the newest
frame of a camera or stream, which is reconnected), then `writing`. `tracking` (ByteTrack) follows
detections from frame to frame, and knows nothing of files.
"""
