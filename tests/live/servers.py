"""Real servers, publishers and faults for the tests of live sources and sinks, each on free ports of 127.0.0.1.

All are context managers and leave nothing running. A missing program skips the test with the line that installs it; where CI or
ROTOSCOPE_REQUIRE_LIVE is set, it fails the test.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's GStreamer bindings are there
NGINX_RTMP = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
PATIENCE = 60  # seconds until a server must be ready, on a busy machine

# The packages of Debian that the tests in this folder need; .ci/run installs the missing ones.
PACKAGES = (HERE / "packages.txt").read_text().split()


def need(is_there, what):
    """Skip the test, or fail it where live tests are required, if something is not installed."""
    if is_there:
        return
    reason = f"{what} is not installed: apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
    if os.environ.get("CI") or os.environ.get("ROTOSCOPE_REQUIRE_LIVE"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_program(name):
    need(shutil.which(name) is not None, name)


def free_port(kind=socket.SOCK_STREAM):
    """A port of 127.0.0.1 that nothing uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what):
    """Ask again and again until a condition holds; fail after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not after {PATIENCE} s")
        time.sleep(0.02)


class Program:
    """A program that runs in the background; what it prints is kept in `log`."""

    def __init__(self, command, *, log=None, environment=None):
        self._output = subprocess.DEVNULL if log is None else log.open("wb")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def is_running(self):
        return self.process.poll() is None

    def send(self, number):
        """Send a signal, for example SIGSTOP, to it and to all that it started."""
        os.killpg(self.process.pid, number)

    def end(self):
        """Kill it and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._output is not subprocess.DEVNULL:
            self._output.close()


@contextmanager
def running(command, *, log=None, environment=None):
    """Run a program within the block."""
    program = Program(command, log=log, environment=environment)
    try:
        yield program
    finally:
        program.end()


def listens(port):
    """Whether something accepts connections at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server at a port that can be ended, stopped in its tracks and started again."""

    def __init__(self, command, port, log):
        self.port, self._command, self._log = port, command, log
        self.program = None

    def start(self):
        self.program = Program(self._command, log=self._log)

        def is_ready():
            if not self.program.is_running():
                pytest.fail(f"{self._command[0]}: {self._log.read_text(errors='replace')}")
            return listens(self.port)

        wait_until(is_ready, f"{self._command[0]} at port {self.port}")

    def end(self):
        if self.program is not None:
            self.program.end()
            self.program = None
            wait_until(lambda: not listens(self.port), f"the end of the server at port {self.port}")  # its workers

    def freeze(self):
        """Let it keep its connections and say nothing (SIGSTOP)."""
        self.program.send(signal.SIGSTOP)

    def thaw(self):
        self.program.send(signal.SIGCONT)


@dataclass
class RtspServer:
    """url: what clients open."""

    url: str
    server: Server


RTSP_PICTURES = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={rate}/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} threads=1"
    " ! rtph264pay name=pay0 pt=96 config-interval=1"
)
RTSP_SOUND = "audiotestsrc is-live=true ! opusenc ! rtpopuspay name=pay1 pt=97"


@contextmanager
def rtsp_server(folder, *, size=(320, 180), rate=30, gop=30, sound=True):
    """A GStreamer RTSP server with moving pictures and a tone, over TCP and UDP."""
    need(_has_gst_rtsp_server(), "the RTSP server of GStreamer")
    launch = RTSP_PICTURES.format(width=size[0], height=size[1], rate=rate, gop=gop)
    port = free_port()
    command = [SYSTEM_PYTHON, HERE / "rtsp_server.py", port, f"( {launch} {RTSP_SOUND if sound else ''} )"]
    server = Server(command, port, folder / "rtsp.log")
    try:
        server.start()
        yield RtspServer(f"rtsp://127.0.0.1:{port}/live", server)
    finally:
        server.end()


def _has_gst_rtsp_server():
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    with suppress(OSError):
        return subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, check=False).returncode == 0
    return False


@dataclass
class RtmpServer:
    """nginx with its RTMP module: what is published to `rtmp(name)` can be read there and at `hls(name)`."""

    rtmp_port: int
    http_port: int
    folder: Path
    server: Server

    def rtmp(self, name):
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{name}"

    def hls(self, name):
        return f"http://127.0.0.1:{self.http_port}/hls/{name}.m3u8"

    def http(self, path):
        """Address of a file below `folder`."""
        return f"http://127.0.0.1:{self.http_port}/{path}"

    def wait_for_hls(self, name):
        """Wait until the list of a stream names a segment."""
        file = self.folder / "hls" / f"{name}.m3u8"
        wait_until(lambda: file.exists() and ".ts" in file.read_text(), f"{file.name} of nginx")


NGINX = """
load_module {module};
worker_processes 1; daemon off; error_log {folder}/error.log; pid {folder}/nginx.pid; {user}
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application live {{
  live on; hls on; hls_path {folder}/hls; hls_fragment 1s; hls_playlist_length 4s; }} }} }}
http {{
  access_log off; types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; text/html html; }}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{http}; root {folder}; location /stat {{ rtmp_stat all; }} }} }}
"""


@contextmanager
def rtmp_server(folder):
    """nginx with RTMP, HLS and plain HTTP, all below `folder`."""
    need_program("nginx")
    need(NGINX_RTMP.exists(), "libnginx-mod-rtmp")
    rtmp, http = free_port(), free_port()
    (folder / "hls").mkdir(exist_ok=True)
    settings = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    settings.write_text(NGINX.format(module=NGINX_RTMP, folder=folder, user=user, rtmp=rtmp, http=http))
    server = Server(["nginx", "-c", settings, "-e", folder / "start.log"], rtmp, folder / "nginx.log")
    try:
        server.start()
        yield RtmpServer(rtmp, http, folder, server)
    finally:
        server.end()


@contextmanager
def published(url, form, *, size=(320, 180), rate=30, gop=30, late_ms=0.0, sound=True, log=None):
    """Publish numbered pictures, with a flash and a click once a second, within the block: see publisher.py."""
    command = [
        sys.executable, HERE / "publisher.py", url, form, f"{size[0]}x{size[1]}", rate, gop, late_ms if sound else "none",
    ]  # fmt: skip
    with running(command, log=log, environment=os.environ | {"PYTHONPATH": str(ROOT)}) as program:
        yield program


@contextmanager
def srt_bridge():
    """A program that listens for SRT and sends what comes as UDP: yields (address for the sender, address for the reader)."""
    need_program("srt-live-transmit")
    srt, udp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    listener = f"srt://127.0.0.1:{srt}?mode=listener&latency=60"
    with running(["srt-live-transmit", "-q", listener, f"udp://127.0.0.1:{udp}"]):
        yield f"srt://127.0.0.1:{srt}?mode=caller", f"udp://127.0.0.1:{udp}"


@contextmanager
def xvfb(size=(640, 360)):
    """An X server without a screen; yields the name of its display, for example ":99"."""
    need_program("Xvfb")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp"]
    process = subprocess.Popen(
        command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        os.close(writing)
        with os.fdopen(reading) as file:
            number = file.readline().strip()
        assert re.fullmatch(r"\d+", number), "Xvfb did not start"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait()


class FaultProxy:
    """A relay of TCP connections on 127.0.0.1 whose traffic can be stalled, cut, slowed and refused while it runs.

    port        what clients connect to
    num_accepted   connections that were accepted so far
    """

    def __init__(self, to_port):
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.num_accepted = 0
        self._flows = threading.Event()
        self._flows.set()
        self._is_silent = self._refuses = self._is_closed = False
        self._bytes_per_second = None
        self._pairs, self._threads, self._lock = [], [], threading.Lock()
        self._start(self._accept)

    def stall(self):
        """Hold back all bytes; connections stay open, and new ones are accepted."""
        self._flows.clear()

    def go(self):
        """End a stall, a refusal and a slow link."""
        self._refuses, self._bytes_per_second = False, None
        self._flows.set()

    def slow(self, bytes_per_second):
        """Limit each direction of each connection."""
        self._bytes_per_second = bytes_per_second

    def refuse(self):
        """Close each new connection at once."""
        self._refuses = True

    def cut(self):
        """Abort all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _abort(end)

    def close(self):
        self._is_closed = True
        _abort(self._listener)
        self.cut()
        self._flows.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.num_accepted += 1
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if self._refuses or self._is_closed:
                _abort(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                _abort(client)
                continue
            with self._lock:
                self._pairs.append((client, server))
            self._start(self._relay, client, server)
            self._start(self._relay, server, client)

    def _relay(self, begin, end):
        try:
            while data := begin.recv(4096):
                self._flows.wait()
                end.sendall(data)
                if self._bytes_per_second is not None:
                    time.sleep(len(data) / self._bytes_per_second)
        except OSError:
            pass
        _abort(begin)
        _abort(end)


def _abort(end):
    """Shut a socket down, which ends a wait of another thread on it, and close it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def fault_proxy(to_port):
    """A FaultProxy before a server's port."""
    proxy = FaultProxy(to_port)
    try:
        yield proxy
    finally:
        proxy.close()


class LossyRelay:
    """A relay of UDP datagrams that loses a share of them, by a seeded generator."""

    def __init__(self, to_port, loss, seed):
        self.port = free_port(socket.SOCK_DGRAM)
        self.loss, self.num_received, self.num_lost = loss, 0, 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.settimeout(0.1)
        self._to, self._random = ("127.0.0.1", to_port), random.Random(seed)
        self._is_closed = False
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def close(self):
        self._is_closed = True
        self._thread.join(PATIENCE)
        self._socket.close()

    def _relay(self):
        while not self._is_closed:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            self.num_received += 1
            if self._random.random() < self.loss:
                self.num_lost += 1
                continue
            with suppress(OSError):  # nobody listens there yet
                self._socket.sendto(data, self._to)


@contextmanager
def lossy_relay(to_port, *, loss, seed=1):
    """A LossyRelay before a port."""
    relay = LossyRelay(to_port, loss, seed)
    try:
        yield relay
    finally:
        relay.close()


@contextmanager
def silent_server():
    """A server that accepts connections and never says a word; yields its port."""
    accepted = []
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def accept():
            with suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            _abort(listener)
            thread.join(PATIENCE)
            for client in accepted:
                client.close()
