"""Takes messages and pings over HTTP, and writes down what came.

usage: http_receiver.py FILE [SECRET [STATUS...]]

Each request is a line of JSON in FILE. With a SECRET, `verified` says whether the
signature is that of the body, by Python's own hmac. The answers have the statuses in
turn, the last for all that follow; 200 without any. The port is printed.
"""

import hashlib
import hmac
import http.server
import json
import sys
import time

FILE, SECRET, STATUSES = sys.argv[1], sys.argv[2:3], [int(s) for s in sys.argv[3:]]


def verified(header, body):
    if not SECRET or header is None:
        return None
    parts = dict(part.split("=", 1) for part in header.split(","))
    mac = hmac.new(SECRET[0].encode(), parts["t"].encode() + b"." + body, hashlib.sha256)
    is_new = abs(time.time() - int(parts["t"])) < 300
    return hmac.compare_digest(mac.hexdigest(), parts["v1"]) and is_new


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        line = {
            "method": self.command,
            "path": self.path,
            "type": self.headers.get("Content-Type"),
            "id": self.headers.get("Lifeboat-Message"),
            "verified": verified(self.headers.get("Lifeboat-Signature"), body),
            "body": body.decode(),
        }
        with open(FILE, "a") as file:
            file.write(json.dumps(line) + "\n")
        status = 200
        if STATUSES:
            status = STATUSES.pop(0) if len(STATUSES) > 1 else STATUSES[0]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
