"""A mail server that keeps what it gets: one JSON file a mail, with its parts decoded.
smtp_sink.py PORT DIR CERT KEY: STARTTLS is demanded; recipients that begin with "later" get a 451, with
"never" a 550. Nobody needs a login, and every one is refused."""
import base64
import email
import email.policy
import json
import os
import signal
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

port, directory, cert, key = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
count = 0


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("later"):
            return "451 not now"
        if address.startswith("never"):
            return "550 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [p for p in mail.walk() if not p.is_multipart()]
        path = os.path.join(directory, "mail%03d" % count)
        with open(path + ".new", "w") as out:
            json.dump({
                "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                "headers": {k.lower(): str(v) for k, v in mail.items()},
                "parts": [{"type": p.get_content_type(), "name": p.get_filename(),
                           "content": base64.b64encode(p.get_payload(decode=True)).decode()} for p in parts],
            }, out)
        os.rename(path + ".new", path + ".json")
        return "250 OK"


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert, key)
controller = Controller(Keep(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
                        authenticator=lambda *_: AuthResult(success=False, handled=False))
controller.start()
open(os.path.join(directory, "ready"), "w").close()
signal.sigwait([signal.SIGTERM, signal.SIGINT])
controller.stop()
