"""How the certificate of a server is checked, as options of FFmpeg: its own default checks nothing."""

import os
import ssl
from pathlib import Path

from rotoscope.base.errors import UsageError

UNCHECKED = "none"
UNTRUSTED = "no TLS, or the server's certificate is not trusted (--tls-ca names one that is)"
SCHEMES = ("rtsps", "rtmps", "https", "http")  # http may lead to https


def certificate_options(scheme: str, tls_ca: str | None) -> dict[str, str]:
    """Options of FFmpeg for an address of this scheme; {} for schemes without TLS.

    tls_ca  a file of certificates (PEM) in place of the system's; "none": nothing is checked
    Raises UsageError for a file that holds no certificate.
    """
    if scheme not in SCHEMES:
        return {}
    if tls_ca == UNCHECKED:
        return {"tls_verify": "0"}
    if tls_ca is None:
        paths = ssl.get_default_verify_paths()
        found = os.environ.get(paths.openssl_cafile_env) or paths.cafile
        return {"tls_verify": "1"} | ({"ca_file": found} if found else {})
    try:
        ssl.create_default_context(cafile=tls_ca)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = "no such file" if not Path(tls_ca).exists() else "no certificates in PEM"
        raise UsageError(f"--tls-ca {tls_ca}: {reason}") from error
    return {"tls_verify": "1", "ca_file": tls_ca}
