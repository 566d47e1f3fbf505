"""Serve a moving image at rtsp://127.0.0.1:PORT/live by GStreamer; a line on stdin drops clients.

Run by the system's Python, for which Debian has GStreamer:
`apt install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{good,ugly}`.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 ! "
    "x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! "
    "rtph264pay name=pay0 pt=96 config-interval=1 )"
)


def main() -> None:
    Gst.init(None)
    if Gst.ElementFactory.find("x264enc") is None or Gst.ElementFactory.find("rtph264pay") is None:
        sys.exit("x264enc or rtph264pay is missing")
    server = GstRtspServer.RTSPServer()
    server.set_service("0")  # any port that is free
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    threading.Thread(target=drop_on_request, args=(server,), daemon=True).start()
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def drop_on_request(server: GstRtspServer.RTSPServer) -> None:
    def drop() -> bool:
        server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        return False

    for _ in sys.stdin:
        GLib.idle_add(drop)


main()
