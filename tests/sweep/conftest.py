"""A server of objects on this machine, and leases that end soon, for every test of sweeps."""

import logging

import pytest

from jaxprune.sweep import _remote


@pytest.fixture(scope="module")
def bucket():
    """A server that speaks as S3 does, with one bucket; the URL of that."""
    pytest.importorskip("s3fs")
    import fsspec

    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "y"), ("DEFAULT_REGION", "us-east-1")):
            patch.setenv(f"AWS_{name}", value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        fsspec.filesystem("s3").makedirs("sweeps", exist_ok=True)
        yield "s3://sweeps"
    server.stop()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    _remote._opened.cache_clear()


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(_remote, "LEASE", 0.6)
    monkeypatch.setattr(_remote, "RENEW", 0.1)
