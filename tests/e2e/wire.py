"""Raw HTTP/1.1 over a socket, for what no client library would send, and to see what really comes back."""

import socket
import ssl
import time


class Closed(Exception):
    """The gateway closed the connection before an answer was whole."""


class Wire:
    def __init__(self, address, seconds=10, tls=None, server_name=None):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address[5:])
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(seconds)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the end: the answer says why

    def more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        if not data:
            raise Closed(self.buffer[:200])
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def exactly(self, n):
        while len(self.buffer) < n:
            self.more()
        found, self.buffer = self.buffer[:n], self.buffer[n:]
        return found

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return int(lines[0].split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines[1:])

    def answer(self):
        """Status, headers, body of the next answer."""
        status, headers = self.head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                body += self.exactly(size)
                self.exactly(2)
                if size == 0:
                    return status, headers, body
        return status, headers, self.exactly(int(headers.get("content-length", 0)))

    def closed(self, seconds=5):
        """Whether the gateway closes the connection, with nothing more to say, within that time."""
        if self.buffer:
            return False
        end = time.monotonic() + seconds
        self.socket.settimeout(max(0.01, end - time.monotonic()))
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False


def post(path, body, key, headers=()):
    """A well-formed request as bytes."""
    lines = [
        "POST %s HTTP/1.1" % path,
        "host: gateway",
        "authorization: Bearer " + key,
        "content-type: application/json",
        "content-length: %d" % len(body),
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
