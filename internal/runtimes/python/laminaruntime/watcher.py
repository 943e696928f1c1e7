"""The first process of many workers: forks them, and keeps them alive."""

import gc
import mmap
import os
import select
import signal
import time

from . import forecast
from .api import Disconnected
from .errors import encode_error
from .logs import log_error
from .output import RawReader, RawWriter
from .slot import FAILED, IMPORTED, RUNNING, STARTING, Slot
from .worker import Worker

# The place of a worker whose life was brief, or who failed to start, stays empty
# for a while, longer each time (seconds; chosen).
BRIEF, FIRST_DELAY, MAX_DELAY = 1.0, 0.1, 5.0
# A place whose workers fail so often in a row ends the environment (chosen).
MAX_FAILURES = 5
# How long workers that are ready wait for the others (seconds; as for Node.js, chosen).
PATIENCE = 10.0


class Watcher:
    def __init__(self, client, output, count):
        self.client, self.output = client, output
        memory = mmap.mmap(-1, count * Slot.SIZE)
        self.slots = [Slot(memory, i) for i in range(count)]
        self.readers = {}  # by descriptor
        self.ever_ready = self.stopped = self.forsaken = False
        self.open_by = None

    def run(self):
        """Runs until all is over, in this process; in each worker, its own life. Gives the exit status."""
        self.output.share()
        self.wake_read, self.wake_write = os.pipe()
        self.gate_read, self.gate_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.stop)
        self.poll = select.poll()
        self.poll.register(self.wake_read, select.POLLIN)
        gc.collect()
        gc.freeze()  # keeps the garbage collector from copying shared pages
        while not self.stopped:
            for slot in self.dead():
                self.buried(slot)
            self.look_round()
            code = self.over()
            if code is not None:
                return code
            for slot in self.due():
                if self.spawn(slot):
                    return self.work(slot)
            self.wait()
        self.end_all()
        return 0

    def stop(self, *_):
        self.stopped = True

    # Life and death.

    def due(self):
        """Places to fill: all at first; then none before one is known to start at all."""
        now = time.monotonic()
        return [s for s in self.slots if not s.pid and s.not_before <= now and (self.ever_ready or not s.started)]

    def spawn(self, slot):
        """Forks a worker; true in the worker."""
        read, self.raw_write = os.pipe()
        slot.reset()
        slot.started = time.monotonic()
        slot.pid = os.fork()
        if slot.pid == 0:
            os.close(read)
            return True
        os.close(self.raw_write)
        slot.reader = self.readers[read] = RawReader(read, slot, self.output.sinks[0])
        self.poll.register(read, select.POLLIN)
        return False

    def work(self, slot):
        """The worker's life: it keeps nothing of the watcher's but what it needs."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for fd in (self.wake_read, self.gate_write, *self.readers):
            if fd is not None:
                os.close(fd)
        slot.raw = RawWriter(self.raw_write, slot)
        slot.tell, slot.gate = self.tell, self.await_gate
        gc.enable()
        return Worker(self.client, self.output, slot).run()

    def tell(self):
        """In the worker: has the watcher look."""
        try:
            os.write(self.wake_write, b"\0")
        except OSError:
            pass  # it has enough to look at
        os.close(self.wake_write)

    def await_gate(self):
        if self.gate_read is not None:
            os.read(self.gate_read, 1)  # ends when the watcher closes its end
            os.close(self.gate_read)

    def dead(self):
        """Reaps all who have died; as the first process of the sandbox also strangers."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for slot in self.slots:
                if slot.pid == pid:
                    slot.pid, slot.status = 0, status
                    yield slot

    def buried(self, slot):
        slot.reader.orphaned()
        started = slot.state() in (IMPORTED, RUNNING)
        self.ever_ready = self.ever_ready or started
        slot.failures = 0 if started else slot.failures + 1
        brief = not started or time.monotonic() - slot.started < BRIEF
        slot.brief = slot.brief + 1 if brief else 0
        delay = min(FIRST_DELAY * 2 ** min(slot.brief - 1, 10), MAX_DELAY) if brief else 0.0
        slot.not_before = time.monotonic() + delay
        if slot.state() == RUNNING:
            self.report(slot.text(), how(slot.status))
        elif slot.state() == STARTING:
            self.log(how(slot.status).replace("Runtime exited", "A worker exited in its init", 1))
        if self.ever_ready and not self.client.served():
            self.forsaken = True

    def report(self, request_id, reason):
        """Tells the caller at once, which on AWS waits for the timeout."""
        body = {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"}
        log_error(self.output, {**body, "requestId": request_id})
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.ExitError"}
        try:
            self.client.send(self.client.post(f"invocation/{request_id}/error", encode_error(body), "application/json", headers))
            self.client.read()
        except (Disconnected, OSError):
            pass
        self.client.close()  # workers to come must not inherit it

    def log(self, message):
        log_error(self.output, {"errorType": "Runtime.ExitError", "errorMessage": message, "requestId": ""})

    def over(self):
        """The exit status when nothing more can be expected, else None."""
        if self.forsaken:
            return 1
        if not self.ever_ready:
            if any(s.pid or not s.started for s in self.slots):
                return None
            return exit_code(self.slots[0].status)  # no worker has ever come up: init has failed
        worst = max(self.slots, key=lambda s: s.failures)
        if worst.failures < MAX_FAILURES or any(s.state() == RUNNING for s in self.slots if s.pid):
            return None
        reason = worst.text() if worst.state() == FAILED else how(worst.status)
        self.log(f"A worker failed its init {worst.failures} times in a row and the environment ends; the last time: {reason}")
        return 1

    # Together.

    def look_round(self):
        """Opens the gate once all workers have imported the function, or those that did have waited enough.

        The first poll makes the environment ready, so none comes before all can.
        """
        if self.gate_write is None:
            return
        states = [s.state() for s in self.slots if s.pid]
        if self.open_by is None and IMPORTED in states:
            self.open_by, self.ever_ready = time.monotonic() + PATIENCE, True
            first = next(s for s in self.slots if s.state() == IMPORTED)
            forecast.tell(self.output, first.pid, len(self.slots))
        everyone = self.ever_ready and STARTING not in states and all(s.started for s in self.slots)
        if everyone or self.open_by is not None and time.monotonic() >= self.open_by:
            os.close(self.gate_write)
            os.close(self.gate_read)
            self.gate_write = self.gate_read = None

    def wait(self):
        """Until there is something to do; what workers write past sys.stdout is passed on meanwhile."""
        times = [s.not_before for s in self.slots if not s.pid and self.ever_ready]
        if self.gate_write is not None and self.open_by is not None:
            times.append(self.open_by)
        timeout = max(min(times) - time.monotonic(), 0) * 1000 + 1 if times else None
        for fd, _ in self.poll.poll(timeout):
            if fd == self.wake_read:
                os.read(fd, 4096)
            elif not self.readers[fd].read():
                self.poll.unregister(fd)
                self.readers.pop(fd).close()

    def end_all(self):
        for slot in self.slots:
            if slot.pid:
                try:
                    os.kill(slot.pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline and any(s.pid for s in self.slots):
            for _ in self.dead():
                pass
            time.sleep(0.005)


def how(status):
    """An end in AWS's words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = "killed" if number == signal.SIGKILL else signal.strsignal(number).lower()
        return f"Runtime exited with error: signal: {name}"
    if os.WEXITSTATUS(status) == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {os.WEXITSTATUS(status)}"


def exit_code(status):
    """An exit status for a worker's end, never 0."""
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status) or 1
