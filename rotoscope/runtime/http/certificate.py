"""The certificate of an https server and its key."""

import ssl
from pathlib import Path

from rotoscope.base.errors import UsageError


def check_certificate(tls: tuple[str, str] | None) -> None:
    """Raise UsageError for files of a certificate and its key (PEM) that cannot be used; None is http."""
    if tls is None:
        return
    for option, file in zip(("--tls-cert", "--tls-key"), tls, strict=True):
        if not Path(file).is_file():
            raise UsageError(f"{option} {file}: no such file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls, password=_no_password)
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"--tls-cert {tls[0]} and --tls-key {tls[1]}: not a certificate and its key: {reason}"
        ) from None


def _no_password() -> str:
    """A key with a password is refused, in place of a question on the terminal."""
    raise ValueError("the key has a password")
