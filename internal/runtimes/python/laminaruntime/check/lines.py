"""The lines that the function's code runs: which they were, and a pause at some of them."""

import os
import random
import sys
import threading
import time

MONITORING = getattr(sys, "monitoring", None)
TOOL = 4  # of sys.monitoring's six the one that no known tool takes


class Lines:
    """Follows the code; each line counts once a request, so that loops stay fast."""

    def __init__(self, task, pause, most_ms, budget_ms, seed, paused, elsewhere):
        self.folder = os.path.join(task, "")
        self.pause, self.most, self.budget, self.seed = pause, most_ms / 1000, budget_ms / 1000, seed
        self.paused = paused  # told of each pause
        self.elsewhere = elsewhere  # asked about lines outside the request's thread
        self.executed = {}  # lines, by file
        self.random, self.left, self.main = None, 0.0, threading.main_thread().ident
        self.codes = set()
        if MONITORING:
            MONITORING.use_tool_id(TOOL, "lamina check")
            MONITORING.register_callback(TOOL, MONITORING.events.LINE, self.monitored)
        else:
            sys.settrace(self.trace)
            threading.settrace(self.trace)

    def follow(self, codes):
        if MONITORING:
            for code in codes - self.codes:
                MONITORING.set_local_events(TOOL, code, MONITORING.events.LINE)
            self.codes |= codes

    def begin(self, request_id):
        self.executed = {}
        self.random = random.Random(f"{self.seed} {request_id}") if self.pause else None
        self.left = self.budget
        if MONITORING:
            MONITORING.restart_events()

    def end(self):
        self.random = None

    def monitored(self, code, line):
        return MONITORING.DISABLE if self.ran(code, line) else None

    def trace(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(self.folder):
            return None
        if event == "line" and frame.f_lineno not in self.executed.get(frame.f_code.co_filename, ()):
            self.ran(frame.f_code, frame.f_lineno)
        return self.trace

    def ran(self, code, line):
        """True when the line need not be seen again in this request."""
        if threading.get_ident() != self.main and self.elsewhere(code, line):
            return False
        self.executed.setdefault(code.co_filename, set()).add(line)
        chance = self.random
        if chance and self.left > 0 and chance.random() < self.pause:
            seconds = min(chance.random() * self.most, self.left)
            self.left -= seconds
            time.sleep(seconds)
            self.paused(code.co_filename, line, seconds)
        return True
