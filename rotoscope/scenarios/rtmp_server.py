"""nginx with its RTMP module, for the time of a measurement."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError

INSTALL = "apt-get install nginx-light libnginx-mod-rtmp"
MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
MODULE = "ngx_rtmp_module.so"
SBIN = "/usr/sbin"  # not on the path of every user
START_SECONDS = 30
SETTINGS = """
load_module {module};
worker_processes 1; daemon off; error_log {folder}/error.log; pid {folder}/nginx.pid; {user}
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; wait_key on; }} }} }}
"""


@contextmanager
def rtmp_server() -> Iterator[str]:
    """Run a server on a free port of this machine; yield the address of its application, rtmp://127.0.0.1:PORT/live.

    Raises UsageError with the line that installs nginx if it is missing.
    """
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{SBIN}")
    module = next((folder / MODULE for folder in MODULES if (folder / MODULE).exists()), None)
    if nginx is None or module is None:
        raise UsageError(f"chain rtmp needs nginx with its RTMP module: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="rotoscope-rtmp-") as name:
        folder, port = Path(name), free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        settings = folder / "nginx.conf"
        settings.write_text(SETTINGS.format(module=module, folder=folder, user=user, port=port))
        process = subprocess.Popen(
            [nginx, "-p", name, "-c", settings, "-e", folder / "error.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(port, process, folder / "error.log")
            yield f"rtmp://127.0.0.1:{port}/live"
        finally:
            process.terminate()
            process.wait()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nothing uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            raise OutputFailed(f"nginx does not start{f': {lines[-1]}' if lines else ''}")
        time.sleep(0.02)
