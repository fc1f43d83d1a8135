"""TLS: servers are checked by the system's certificates or by those that are given; the page is served by https."""

import http.client
import ssl
from contextlib import ExitStack

import pytest
from fake_run import FakeRun
from page_server import Page
from servers import published, rtmp_server, rtsp_server, wait_until
from tls import certificate, tls_proxy

import rotoscope
from rotoscope.base.errors import UsageError
from rotoscope.runtime.live.page.page_sink import PageSink
from rotoscope.runtime.live.page.server import PageServer
from rotoscope.runtime.live.server_certificates import certificate_options

LONG_S = 120


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    with rtmp_server(tmp_path_factory.mktemp("nginx")) as server, published(server.rtmp("in"), "flv"):
        yield server


@pytest.fixture(params=["rtsps", "rtmps", "https"])
def address(request, nginx, own, tmp_path):
    """A stream behind TLS."""
    with ExitStack() as stack:
        if request.param == "rtsps":
            camera = stack.enter_context(rtsp_server(tmp_path))
            port, path = int(camera.url.split(":")[2].split("/")[0]), "live"
        elif request.param == "rtmps":
            port, path = nginx.rtmp_port, "live/in"
        else:
            nginx.wait_for_hls("in")
            port, path = nginx.http_port, "hls/in.m3u8"
        yield f"{request.param}://127.0.0.1:{stack.enter_context(tls_proxy(port, own))}/{path}"


def test_a_stream_whose_server_is_trusted(address, own, identity):
    with rotoscope.live(address, "null:", model=identity, steady="off", tls_ca=str(own.cert)) as run:
        wait_until(lambda: run.status().frames_out > 2, "pictures")


def test_a_stream_whose_server_is_not_trusted(address, identity):
    with (
        pytest.raises(rotoscope.InputRefused, match=r"connecting failed: .*certificate.*--tls-ca"),
        rotoscope.live(address, "null:", model=identity, steady="off", give_up_after=0) as run,
    ):
        run.wait(LONG_S)


def test_a_server_of_another_name_is_not_trusted_though_its_certificate_is(nginx, tmp_path, identity):
    other = certificate(tmp_path, host="192.0.2.1")
    with (
        tls_proxy(nginx.rtmp_port, other) as port,
        pytest.raises(rotoscope.InputRefused, match="certificate"),
        rotoscope.live(
            f"rtmps://127.0.0.1:{port}/live/in", "null:", model=identity, give_up_after=0, tls_ca=str(other.cert)
        ) as run,
    ):
        run.wait(LONG_S)


def test_a_check_that_is_left_out(nginx, own, identity):
    with (
        tls_proxy(nginx.rtmp_port, own) as port,
        rotoscope.live(
            f"rtmps://127.0.0.1:{port}/live/in", "null:", model=identity, steady="off", tls_ca="none"
        ) as run,
    ):
        wait_until(lambda: run.status().frames_out > 2, "pictures")


def test_publishing_is_encrypted_and_says_that_the_server_is_not_checked(nginx, own, identity):
    """PyAV opens outputs without the options of TLS."""
    with tls_proxy(nginx.rtmp_port, own) as port:
        address = f"rtmps://127.0.0.1:{port}/live/out"
        with rotoscope.live("synthetic:64x64@30", address, model=identity, steady="off") as run:
            wait_until(lambda: run.status().outputs and run.status().outputs[0].frames > 2, "pictures that are sent")
            assert (
                f"rtmps://127.0.0.1:{port}/live/…: the certificate of the server is not checked" in run.status().notes
            )


def test_what_is_checked(tmp_path):
    assert certificate_options("rtmp", None) == {}
    assert certificate_options("rtmps", "none") == {"tls_verify": "0"}
    assert certificate_options("https", None)["tls_verify"] == "1"
    (tmp_path / "ca.pem").write_text("hello")
    for file, reason in ((tmp_path / "ca.pem", "no certificates"), (tmp_path / "none.pem", "no such file")):
        with pytest.raises(UsageError, match=f"--tls-ca .*: {reason}"):
            certificate_options("rtsps", str(file))


def test_the_page_by_https(own):
    with Page(tls=(str(own.cert), str(own.key)), token="long-enough") as page:
        assert page.server.url == f"https://127.0.0.1:{page.server.port}"
        trusting = ssl.create_default_context(cafile=own.cert)
        connection = http.client.HTTPSConnection("127.0.0.1", page.server.port, timeout=LONG_S, context=trusting)
        connection.request("GET", "/?token=long-enough")
        answer = connection.getresponse()
        assert answer.status == 303 and answer.headers["Set-Cookie"].endswith("; Secure")
        connection.close()


@pytest.mark.parametrize(("tls", "message"), [
    (("{cert}", "{other}"), "not a certificate and its key"),
    (("{cert}", "missing.key"), "--tls-key missing.key: no such file"),
    (("{key}", "{key}"), "not a certificate and its key"),
])  # fmt: skip
def test_files_that_are_no_certificate_and_key(own, tmp_path, tls, message):
    other = certificate(tmp_path, "other")
    files = tuple(word.format(cert=own.cert, key=own.key, other=other.key) for word in tls)
    with pytest.raises(UsageError, match=message):
        PageServer(FakeRun(), PageSink(), port=0, tls=files)


def test_a_certificate_without_a_key_is_refused(rotoscope_main, identity):
    code, _, err = rotoscope_main("live", "synthetic:64x64", "-m", str(identity), "--tls-cert", "a.pem")
    assert code == 2 and "--tls-cert and --tls-key" in err
