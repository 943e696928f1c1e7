"""Whole lines on stdout and stderr, each with the invocation that wrote it."""

import fcntl
import io
import json
import mmap
import os
import sys
import termios
import time

import _thread

JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
# Where several workers share a log, what is no JSON yet is made so, with its
# request id; ordinary functions print as it is, as on AWS.
TAGGED = JSON_LOGS and "AWS_LAMBDA_MAX_CONCURRENCY" in os.environ
MAX_LINE = 256 << 10  # bytes of a log event; a longer line comes in pieces
MAX_TEXT = 240 << 10  # of a line that the function wrote: leaves room for the rest of its event
PIPE_BUF = 4096  # up to here the kernel keeps a write to a pipe whole


class Current:
    """The invocation that this process runs, or ran last."""

    request_id = ""
    tenant_id = None


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def encode_line(value):
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")


def tagged(lines, request_id, tenant_id=None):
    """Lines that the function wrote, as they go out."""
    if not TAGGED:
        return lines
    return [out for line in lines for out in tagged_line(line, request_id, tenant_id)]


def tagged_line(line, request_id, tenant_id):
    if line[:1] == b"{" and line[-1:] == b"}":
        return [line]
    text = line.decode("utf-8", "backslashreplace")
    event = {"timestamp": timestamp(time.time()), "level": "INFO", "message": text, "requestId": request_id}
    if tenant_id:
        event["tenantId"] = tenant_id
    encoded = encode_line(event)
    if len(encoded) <= MAX_LINE or len(line) < 2:
        return [encoded]
    half = character_start(line, len(line) // 2) or len(line) // 2  # most of it was escaped
    return tagged_line(line[:half], request_id, tenant_id) + tagged_line(line[half:], request_id, tenant_id)


def character_start(data, at):
    while at > 0 and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


class Cutter:
    """Cuts what is written into lines."""

    def __init__(self):
        self.pending = b""

    def cut(self, data):
        lines = (self.pending + data).split(b"\n")
        self.pending = lines.pop()
        while len(self.pending) > MAX_TEXT:
            end = character_start(self.pending, MAX_TEXT) or MAX_TEXT
            lines.append(self.pending[:end])
            self.pending = self.pending[end:]
        return lines

    def rest(self):
        """The line that was left open, if any."""
        rest, self.pending = self.pending, b""
        return [rest] if rest else []


class Lock:
    """Keeps the lines of several processes apart; one that dies lets go of it."""

    def __init__(self):
        self.mutex = _thread.RLock()
        self.fd, self.cut_short = -1, None
        os.register_at_fork(after_in_child=self.renew)

    def renew(self):
        self.mutex = _thread.RLock()  # whoever held it is not in this process

    def share(self):
        """From now on with the processes that this one forks."""
        if not hasattr(os, "memfd_create"):
            return
        self.fd = os.memfd_create("lines")
        self.cut_short = mmap.mmap(-1, 1)  # 1 while a line is written in parts

    def __enter__(self):
        self.held = self.mutex
        self.held.acquire()
        if self.fd >= 0:
            fcntl.lockf(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *_):
        if self.fd >= 0:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)
        self.held.release()


class Sink:
    """Where the environment's lines go."""

    def __init__(self, fd, lock):
        self.fd, self.lock = fd, lock

    def put(self, *lines):
        data = b"\n".join(lines) + b"\n"
        with self.lock:
            try:
                self.write_all(data)
            except OSError:
                pass  # nobody reads any more; the function need not suffer

    def write_all(self, data):
        cut_short = self.lock.cut_short
        if cut_short and cut_short[0]:
            data = b"\n" + data  # a worker died in the middle of its line
        parts = len(data) > PIPE_BUF
        if parts and cut_short:
            cut_short[0] = 1
        while data:
            data = data[os.write(self.fd, data) :]
        if cut_short:
            cut_short[0] = 0


class Stream(io.RawIOBase):
    """What sys.stdout and sys.stderr write to."""

    def __init__(self, fd, sink):
        self.fd, self.sink, self.cutter = fd, sink, Cutter()
        self.mutex = _thread.RLock()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self):
        self.mutex, self.cutter = _thread.RLock(), Cutter()

    def writable(self):
        return True

    def fileno(self):
        return self.fd

    def write(self, data):
        with self.mutex:
            self.put(self.cutter.cut(bytes(data)))
        return len(data)

    def finish(self):
        """Ends a line that was left open."""
        with self.mutex:
            self.put(self.cutter.rest())

    def put(self, lines):
        if lines:
            self.sink.put(*tagged(lines, Current.request_id, Current.tenant_id))


class Output:
    """All output of a process."""

    def __init__(self):
        self.lock = Lock()
        self.sinks = [Sink(fd, self.lock) for fd in (1, 2)]
        self.streams = []
        for name, fd in (("stdout", 1), ("stderr", 2)):
            stream = Stream(fd, self.sinks[fd - 1])
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", write_through=True)
            text.mode = "w"
            setattr(sys, name, text)
            self.streams.append(stream)

    def put(self, line):
        """Writes a line of the platform's own."""
        self.sinks[0].put(line)

    def share(self):
        """Prepares for workers: stdout and stderr themselves become free for what they write past sys.stdout."""
        self.lock.share()
        for sink in self.sinks:
            sink.fd = os.dup(sink.fd)

    def finish(self):
        for stream in self.streams:
            if stream.cutter.pending:
                stream.finish()


class RawWriter:
    """A worker's end: what it, its libraries and its child processes write to the descriptors 1 and 2."""

    PATIENCE = 0.1  # seconds to wait for lines that are on their way (chosen)

    def __init__(self, fd, slot):
        self.fd, self.slot, self.count = fd, slot, bytearray(4)
        os.dup2(fd, 1)
        os.dup2(fd, 2)

    def on_its_way(self):
        # In this order: the reader shows that it reads before it does.
        fcntl.ioctl(self.fd, termios.FIONREAD, self.count)
        return any(self.count) or self.slot.reading()

    def finish(self):
        """Waits until what was written has got this invocation's id."""
        if not self.on_its_way():
            return
        end = time.monotonic() + self.PATIENCE
        while self.on_its_way() and time.monotonic() < end:
            time.sleep(0.0002)


class RawReader:
    """The first process's end."""

    def __init__(self, fd, slot, sink):
        self.fd, self.slot, self.sink, self.cutter, self.request_id = fd, slot, sink, Cutter(), ""
        os.set_blocking(fd, False)

    def read(self):
        """Passes on what is there; false at the end."""
        slot = self.slot
        if slot:
            slot.set_reading(1)
        try:
            data = os.read(self.fd, 1 << 16)
            request_id = slot.request_id() if slot else ""
            if request_id != self.request_id:
                self.put(self.cutter.rest())
                self.request_id = request_id
            self.put(self.cutter.cut(data) if data else self.cutter.rest())
            return bool(data)
        except BlockingIOError:
            return True
        finally:
            if slot:
                slot.set_reading(0)

    def put(self, lines):
        if lines:
            self.sink.put(*tagged(lines, self.request_id))

    def close(self):
        os.close(self.fd)
        self.fd = -1

    def orphaned(self):
        """The worker is gone; a child process of it may still write."""
        if self.fd >= 0:
            self.read()
        self.slot = None
