"""A certificate for 127.0.0.1, made on the spot, and a proxy that speaks TLS before a server that does not."""

import datetime
import ipaddress
import socket
import ssl
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers import PATIENCE, _abort


@dataclass
class Certificate:
    """Files in PEM; `cert` signs itself, so that it is also the CA that trusts it."""

    cert: Path
    key: Path


def certificate(folder, name="own", *, host="127.0.0.1"):
    """A certificate for an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    made.cert.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return made


@contextmanager
def tls_proxy(to_port, made):
    """Accepts TLS on a port of 127.0.0.1, which is yielded, and passes all bytes on to another port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ends = []

        def pump(begin, end):
            with suppress(OSError, ValueError):
                while data := begin.recv(65536):
                    end.sendall(data)
            for each in (begin, end):
                _abort(each)

        def accept():
            with suppress(OSError):
                while True:
                    plain = listener.accept()[0]
                    with suppress(OSError):  # a client that trusts nobody here
                        client = context.wrap_socket(plain, server_side=True)
                        server = socket.create_connection(("127.0.0.1", to_port))
                        ends.extend([client, server])
                        for pair in ((client, server), (server, client)):
                            threading.Thread(target=pump, args=pair, daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            for each in (listener, *ends):
                _abort(each)
            thread.join(PATIENCE)
