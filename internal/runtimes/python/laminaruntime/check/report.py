"""Records for the engine: one JSON object a line, each in one write."""

import json
import os
import time

MAX_RECORD = 4096  # bytes with the newline: what a pipe keeps whole
MAX_MARK = 512  # bytes of the record of an end
MAX_TEXT = 512  # characters of a value
MAX_ITEMS = 40  # of a container that are shown


class Report:
    def __init__(self, path, task):
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self.pid, self.task = os.getpid(), os.path.join(task, "")
        self.held = None  # what goes out with the end

    def start(self, request_id):
        self.write(self.mark(b"start", request_id))

    def hold(self):
        """From here to the end records go out together: each write wakes the reader."""
        self.held = b""

    def end(self, request_id):
        held, self.held = self.held, None
        self.write((held or b"") + self.mark(b"end", request_id))

    def mark(self, kind, request_id):
        quoted = json.dumps(request_id).encode()
        return b'{"t":%d,"pid":%d,"worker":0,"requestId":%b,"kind":"%b"}\n' % (time.time_ns(), self.pid, quoted, kind)

    def put(self, kind, request_id, name=None, file=None, line=0, detail=None):
        record = {"t": time.time_ns(), "pid": self.pid, "worker": 0, "requestId": request_id, "kind": kind}
        if name:
            record["name"] = clip(name)
        if file:
            record["file"] = file.removeprefix(self.task)
            if line:
                record["line"] = line
        if detail:
            record["detail"] = detail
        data = encode(record)
        if len(data) > MAX_RECORD:
            record.pop("detail", None)
            data = encode(record)
        if self.held is None:
            self.write(data)
        elif len(self.held) + len(data) > MAX_RECORD - MAX_MARK:
            self.write(self.held)
            self.held = data
        else:
            self.held += data

    def write(self, data):
        if not data:
            return
        try:
            os.write(self.fd, data)
        except OSError:
            pass  # nobody listens any more


def encode(record):
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def clip(text):
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
