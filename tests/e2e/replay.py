"""An upstream that answers with one recording: the test puts it in place, sends its request through the gateway, and then
looks at what arrived. Streams come in pieces that no event ends with."""

import http.server
import itertools
import json
import threading

CUTS = (7, 113, 1, 61, 2, 509, 3, 1499, 31)  # bytes
HOP = ("content-length", "transfer-encoding", "connection", "alt-svc", "x-recorded-content-encoding")


def array_as_events(body):
    """Gemini's streams without alt=sse are one JSON array; the gateway always asks for events."""
    return "".join("data: %s\r\n\r\n" % json.dumps(e, ensure_ascii=False) for e in json.loads(body))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def pieces(self, data):
        at = 0
        for size in itertools.cycle(CUTS):
            if at >= len(data):
                return
            yield data[at : at + size]
            at += size

    def send(self, row):
        stream = row["stream"] and row["status"] == 200
        as_events = stream and row["body"].startswith("[")
        headers = {name: value for name, value in row["headers"].items() if name not in HOP}
        headers.setdefault("content-type", "text/event-stream" if stream else "application/json")
        if as_events:
            headers["content-type"] = "text/event-stream"
        data = (array_as_events(row["body"]) if as_events else row["body"]).encode()
        self.send_response_only(row["status"])
        for name, value in headers.items():
            self.send_header(name, value.encode("utf-8").decode("latin-1"))
        if not stream:
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in self.pieces(data):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def answer(self):
        upstream = self.server.upstream
        upstream.got.append((self.command, self.path, dict(self.headers.items()), self.body()))
        try:
            self.send(upstream.row)
        except ConnectionError:
            self.close_connection = True

    do_POST = do_GET = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the gateway has hung up


class Upstream:
    def __init__(self):
        self.row, self.got = None, []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.upstream = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def play(self, row):
        self.row, self.got = row, []

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
