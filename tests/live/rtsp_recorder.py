"""GStreamer's RTSP server that takes a published stream and writes it into a Matroska file; for the system's python3.

python3 rtsp_recorder.py PORT FILE
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


class Media(GstRtspServer.RTSPMedia):
    """Takes times from the packets; by default they would be moved by when the packets arrive."""

    def do_setup_rtpbin(self, rtpbin):
        rtpbin.set_property("buffer-mode", 0)
        return True


Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
factory.set_media_gtype(Media)
factory.set_launch(
    "( rtph264depay name=depay0 ! h264parse ! queue ! matroskamux name=mux streamable=true "
    f"! filesink location={sys.argv[2]} sync=false rtpmp4gdepay name=depay1 ! aacparse ! queue ! mux. )"
)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
GLib.MainLoop().run()
