"""Servers that take streams, each on a free port of 127.0.0.1: nginx with RTMP, GStreamer's RTSP server."""

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
NGINX = """
load_module {module};
worker_processes 1; daemon off; error_log {folder}/error.log; pid {folder}/nginx.pid; {user}
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; wait_key on; }} }} }}
"""


def need(condition, packages):
    """Skip where a program is missing; fail where it must be there."""
    if condition:
        return
    reason = f"apt-get install {packages}"
    if os.environ.get("CI") or os.environ.get("ROTOSCOPE_REQUIRE_LIVE"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    """Wait until a server listens."""
    import threading

    for _ in range(600):
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"nothing listens on port {port}")


@contextlib.contextmanager
def rtmp_server(folder, port=None):
    """nginx with its RTMP module; yields the address of an application."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    need(Path(nginx).exists() and RTMP_MODULE.exists(), "nginx-light libnginx-mod-rtmp")
    port = port or free_port()
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(module=RTMP_MODULE, folder=folder, port=port, user=user))
    process = subprocess.Popen([nginx, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"rtmp://127.0.0.1:{port}/live"
    finally:
        process.terminate()
        process.wait(30)
