"""Videos, cameras and streams: frames with their times, and films of drawings.

Read `sources` (what a path, number or URL names), `containers` (opened by PyAV, an extra),
`frames` (a frame and its time), `reader`, `every_frame` (of a file), `live` (the newest frame of a
camera or stream, which is reconnected), `reading` (`open_video` chooses between them), then
`writing`. `tracking` (ByteTrack) follows detections from frame to frame, and `counting` counts them
at the lines and in the zones of `places`; both know nothing of files.
"""
