"""A server of S3 in the process of the tests."""

import pytest

from rotoscope.jobs.stores import remote_sources


@pytest.fixture(scope="session")
def server():
    """Address of an S3 server."""
    reason = "the extra dev has it"
    pytest.importorskip("obstore", reason=reason)
    moto = pytest.importorskip("moto.server", reason=reason)
    running = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """Address of a new bucket; client and credentials are set in the environment."""
    from urllib.request import Request, urlopen

    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote_sources, "listed_versions", {})
    name = f"bucket-{tmp_path.name.replace('_', '-')}"[:60].rstrip("-")
    urlopen(Request(f"{server}/{name}", method="PUT")).close()
    return f"s3://{name}"
