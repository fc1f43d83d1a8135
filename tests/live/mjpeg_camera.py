"""A camera that serves MJPEG over HTTP (multipart/x-mixed-replace), in this process."""

import io
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import tiny_clips


class MjpegCamera:
    """Sends `num_pictures` pictures to each client and closes; None: sends until the client goes."""

    def __init__(self, num_pictures, size):
        self.num_pictures = num_pictures
        self.num_clients = 0
        self.pictures = [_jpeg(tiny_clips.pattern(index, *size)) for index in range(4)]
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                camera.num_clients += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                index = 0
                while camera.num_pictures is None or index < camera.num_pictures:
                    picture = camera.pictures[index % len(camera.pictures)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + picture + b"\r\n")
                    except OSError:
                        return
                    index += 1
                self.wfile.write(b"--frame--\r\n")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/video"


@contextmanager
def mjpeg_camera(*, num_pictures, size=(64, 48)):
    camera = MjpegCamera(num_pictures, size)
    thread = threading.Thread(target=camera.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.server.shutdown()
        camera.server.server_close()
        thread.join()


def _jpeg(picture):
    """(H,W,3) uint8 RGB as a JPEG file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
