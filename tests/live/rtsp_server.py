"""A GStreamer RTSP server on 127.0.0.1; run with the system's Python, which has the module gi: rtsp_server.py PORT LAUNCH."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[2])
factory.set_shared(True)  # one pipeline for all clients
server.get_mount_points().add_factory("/live", factory)
if server.attach(None) == 0:
    sys.exit(f"port {sys.argv[1]} is taken")
sys.stdout.write("ready\n")
sys.stdout.flush()
GLib.MainLoop().run()
