"""One connection to the Runtime API, with no more of HTTP than that needs."""

import os

import _socket

ROOT = "/2018-06-01/runtime/"


class Disconnected(Exception):
    """The Runtime API has closed the connection."""


class Client:
    """Keeps its connection, and makes another one where that was closed."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.host, self.port, self.authority = host.strip("[]"), int(port), address
        self.sock, self.rest = None, b""

    def connect(self):
        family = _socket.AF_INET6 if ":" in self.host else _socket.AF_INET
        self.sock, self.rest = _socket.socket(family, _socket.SOCK_STREAM), b""
        os.set_inheritable(self.sock.fileno(), False)
        self.sock.connect((self.host, self.port))
        self.sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def send(self, *requests):
        if not self.sock:
            self.connect()
        try:
            self.sock.sendall(b"".join(requests))
        except OSError as e:
            raise Disconnected(str(e)) from None

    def get(self, path):
        return f"GET {ROOT}{path} HTTP/1.1\r\nHost: {self.authority}\r\nUser-Agent: lamina-python\r\n\r\n".encode()

    def post(self, path, body, kind, headers=None):
        lines = [f"POST {ROOT}{path} HTTP/1.1", f"Host: {self.authority}", "User-Agent: lamina-python",
                 f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items() if value]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def read(self):
        """One answer: status, headers with lower-case names, body."""
        try:
            return self.read_answer()
        except OSError as e:
            raise Disconnected(str(e)) from None

    def read_answer(self):
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.receive()
        lines = data[:end].decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        size = int(headers.get("content-length", 0))
        body = data[end + 4 : end + 4 + size]
        self.rest = data[end + 4 + size :]
        if len(body) < size:
            body = self.receive_rest(body, size)
        if headers.get("connection") == "close":
            self.close()
        return status, headers, body

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
