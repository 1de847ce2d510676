"""Takes mail, by aiosmtpd, and writes down what came.

usage: smtp_receiver.py FILE [plain|starttls|tls] [USER PASSWORD]

Each mail is a line of JSON in FILE. Certificates are of an authority that nobody else
knows, in FILE.pem. The port is printed.
"""

import asyncio
import datetime
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FILE = sys.argv[1]
MODE = sys.argv[2] if len(sys.argv) > 2 else "plain"
LOGIN = [part.encode() for part in sys.argv[3:5]]


def signed(name, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def context():
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = signed("Nobody", authority_key, "Nobody", authority_key, True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = signed("localhost", key, "Nobody", authority_key, False)
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with open(FILE + ".own", "wb") as file:
        file.write(certificate.public_bytes(pem) + key.private_bytes(pem, *private))
    with open(FILE + ".pem", "wb") as file:
        file.write(authority.public_bytes(pem))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(FILE + ".own")
    return made


class Receiver:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(mail["Subject"]),
            "header_from": str(mail["From"]),
            "header_to": str(mail["To"]),
            "message_id": str(mail["Message-ID"]),
            "text": mail.get_content(),
            "encrypted": session.ssl is not None or MODE == "tls",
            "authenticated": bool(session.authenticated),
        }
        with open(FILE, "a") as file:
            file.write(json.dumps(line) + "\n")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    # Not handled: the answer is still to be given.
    return AuthResult(success=[data.login, data.password] == LOGIN, handled=False)


options = {"hostname": "localhost"}
tls = context() if MODE != "plain" else None
if LOGIN:
    options.update(authenticator=authenticate, auth_required=True, auth_require_tls=MODE == "starttls")
if MODE == "starttls":
    options.update(tls_context=tls, require_starttls=True)


async def serve():
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Receiver(), **options),
        host="127.0.0.1",
        port=0,
        ssl=tls if MODE == "tls" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(serve())
