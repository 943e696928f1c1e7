"""A worker's place: what it is doing, in memory shared with the watcher."""

STARTING, IMPORTED, RUNNING, FAILED = 0, 1, 2, 3

STATE, LENGTH, READING, TEXT = 0, 1, 2, 3  # offsets


class Slot:
    SIZE = 512

    def __init__(self, memory, index):
        self.memory, self.at = memory, index * self.SIZE
        self.pid, self.status = 0, 0
        self.started = self.not_before = 0.0
        self.failures = self.brief = 0  # lives one after the other
        self.reader = None  # the watcher's
        self.raw = self.tell = self.gate = None  # the worker's

    def state(self):
        return self.memory[self.at]

    def text(self):
        start = self.at + TEXT
        return self.memory[start : start + self.memory[self.at + LENGTH]].decode("utf-8", "replace")

    def request_id(self):
        """The running invocation's; what is written between two belongs to none."""
        return self.text() if self.state() == RUNNING else ""

    def reading(self):
        return self.memory[self.at + READING]

    def set_reading(self, value):
        self.memory[self.at + READING] = value

    def reset(self):
        self.memory[self.at] = STARTING

    # What the worker says.

    def imported(self):
        self.memory[self.at] = IMPORTED
        self.tell()

    def end(self):
        self.memory[self.at] = IMPORTED

    def failed(self, reason):
        self.set(FAILED, reason)

    def begin(self, request_id):
        self.set(RUNNING, request_id)

    def set(self, state, text):
        data = text.encode("utf-8", "replace")[:255]
        start = self.at + TEXT
        self.memory[start : start + len(data)] = data
        self.memory[self.at + LENGTH] = len(data)
        self.memory[self.at] = state

    def await_others(self):
        self.gate()

    def finish_raw(self):
        self.raw.finish()
