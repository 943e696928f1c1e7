"""One connection to the Runtime API, with no more of HTTP than that needs."""

import os
import re

import _socket

ROOT = "/2018-06-01/runtime/"

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class LowerCase(dict):
    """Names in lower case, each made once."""

    def __missing__(self, name):
        self[name] = lower = name.lower()
        return lower


LOWER = LowerCase()


class Disconnected(Exception):
    """The Runtime API has closed the connection."""


class Client:
    """Keeps its connection, and makes another one where that was closed."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.host, self.port, self.authority = host.strip("[]"), int(port), address
        self.sock, self.rest = None, b""
        self.after_path = f" HTTP/1.1\r\nHost: {address}\r\nUser-Agent: lamina-python\r\nContent-Type: "
        self.poll = self.get("invocation/next")

    def connect(self):
        family = _socket.AF_INET6 if ":" in self.host else _socket.AF_INET
        self.sock, self.rest = _socket.socket(family, _socket.SOCK_STREAM), b""
        os.set_inheritable(self.sock.fileno(), False)
        self.sock.connect((self.host, self.port))
        self.sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)

    def served(self):
        """False once nobody listens where the Runtime API was.

        Whoever listens there next is somebody else, whose events are none of ours.
        """
        try:
            self.connect()
        except ConnectionRefusedError:
            return False
        except OSError:
            pass
        finally:
            self.close()
        return True

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def send(self, request):
        if not self.sock:
            self.connect()
        try:
            self.sock.sendall(request)
        except OSError as e:
            raise Disconnected(str(e)) from None

    def get(self, path):
        return f"GET {ROOT}{path} HTTP/1.1\r\nHost: {self.authority}\r\nUser-Agent: lamina-python\r\n\r\n".encode()

    def post(self, path, body, kind, headers=None):
        head = f"POST {ROOT}{path}{self.after_path}{kind}\r\nContent-Length: {len(body)}\r\n"
        if headers:
            for name, value in headers.items():
                if value:
                    head += f"{name}: {value}\r\n"
        return (head + "\r\n").encode("latin-1", "replace") + body

    def read(self):
        """One answer: status, headers with lower-case names, body."""
        try:
            head = self.read_head()
            headers = {}
            for line in head.decode("latin-1").split("\r\n")[1:]:
                name, _, value = line.partition(":")
                headers[LOWER[name]] = value.strip()
            body = self.read_body(int(headers.get("content-length", 0)))
        except OSError as e:
            raise Disconnected(str(e)) from None
        if headers.get("connection") == "close":
            self.close()
        return int(head[9:12]), headers, body

    def read_status(self):
        """One answer of which only status and body matter."""
        try:
            head = self.read_head()
            length = LENGTH.search(head)
            body = self.read_body(int(length[1])) if length else b""
        except OSError as e:
            raise Disconnected(str(e)) from None
        if CLOSE.search(head):
            self.close()
        return int(head[9:12]), body

    def read_head(self):
        """An answer's head, without the empty line; what follows is left in rest."""
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.receive()
        self.rest = data[end + 4 :]
        return data[:end]

    def read_body(self, size):
        rest = self.rest
        if len(rest) == size:  # as a rule
            self.rest = b""
            return rest
        if len(rest) > size:
            self.rest = rest[size:]
            return rest[:size]
        self.rest = b""
        return self.receive_rest(rest, size)

    def receive(self):
        data = self.sock.recv(1 << 13) if self.sock else b""
        if not data:
            self.close()
            raise Disconnected("end of stream")
        return data

    def receive_rest(self, begun, size):
        body = bytearray(size)
        body[: len(begun)] = begun
        view, have = memoryview(body), len(begun)
        while have < size:
            n = self.sock.recv_into(view[have:])
            if not n:
                raise Disconnected("end of stream")
            have += n
        return bytes(body)
