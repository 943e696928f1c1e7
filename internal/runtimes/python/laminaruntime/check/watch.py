"""Stands between the worker and the function's handler, and reports what each request changes and leaves."""

import json
import os
import sys
import threading
import time

from . import process
from .activity import Activity, Threads, children
from .lines import Lines
from .report import Report
from .source import Source
from .state import MISSING, Kept, Root, States, codes_of, own_modules, roots_of, spaces_of, text

# Set for each request by the bootstrap itself.
TRACE = b"_X_AMZN_TRACE_ID"
# Files larger than this are not looked into for lines (chosen).
MAX_SOURCE = 1 << 20


def watched(handler, settings):
    """The handler, and around each of its calls a look at what has changed; settings is the engine's JSON."""
    return Watch(json.loads(settings)).around(handler)


class Watch:
    def __init__(self, settings):
        task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
        self.task, self.current, self.overdue = task, "", set()
        self.report = Report(settings["out"], task)
        self.states = States(lambda cls: getattr(cls, "__module__", None) in self.modules)
        self.modules, self.sources, self.roots, self.connections = {}, {}, [], []
        self.threads = Threads(lambda: self.current)
        self.lines = Lines(
            task, settings.get("pause", 0), settings.get("pauseMaxMs", 5), settings.get("pauseBudgetMs", 60), settings.get("seed", 0),
            self.paused, self.elsewhere,
        )
        self.activity = Activity(task, self.threads.owner, self.act)
        self.known = self.size = 0
        self.look()
        self.environment, self.process, self.cwd = env(), process.states(), os.getcwd()
        self.children = {}

    def around(self, handler):
        def run(event, context):
            self.begin(context.aws_request_id)
            try:
                return handler(event, context)
            finally:
                self.end()

        return run

    def begin(self, request_id):
        if threading.active_count() > 1:
            self.keep_all()  # others may have written since
            self.environment = env()
        if TRACE in variables:
            self.environment[TRACE] = variables[TRACE]  # set by the bootstrap
        else:
            self.environment.pop(TRACE, None)
        self.overdue.discard(request_id)
        self.report.start(request_id)
        self.lines.begin(request_id)
        self.current = request_id

    def end(self):
        request_id, self.current = self.current, ""
        self.lines.end()
        self.report.hold()
        try:
            self.variables(request_id)
            self.surroundings(request_id)
            self.remains(request_id)
            if len(sys.modules) != self.known or sum(map(len, self.spaces)) != self.size:
                self.look(request_id)
        except Exception as e:
            self.report.put("watch-failed", request_id, f"{type(e).__name__}: {e}")
        finally:
            self.report.end(request_id)

    # What there is to look at.

    def look(self, request_id=""):
        """Finds the function's modules and what they keep; again when there are more."""
        self.known, before = len(sys.modules), self.modules
        self.modules = {m.__name__: m for m in own_modules(self.task)}
        self.spaces = [s for m in self.modules.values() for s in spaces_of(m)]
        self.size = sum(map(len, self.spaces))
        roots, seen = [], {(r.name, r.kind): r for r in self.roots}
        for module in self.modules.values():
            self.lines.follow(codes_of(module))
            found = [*roots_of(module), *self.foreign(module)]
            roots += [seen.get((r.name, r.kind), r) for r in found]
        self.roots = roots
        for root in roots:
            if root.kept is MISSING:
                value = root.value()
                root.kept = self.keep(value)
                if request_id and root.name.rpartition(".")[0] in before and root.kind != "module-attr-write":
                    self.changed(root.kind, request_id, root.name, "undefined", text(value), root.file, self.line(root))
        self.connections = [r for r in roots if hasattr(r.value(), "in_transaction")]
        self.open = {r.name: r.value().in_transaction for r in self.connections}

    def foreign(self, module):
        """Attributes of other modules that this one's functions set."""
        for name, attribute in self.source(module.__file__).foreign_attributes():
            other = sys.modules.get(name)
            if other and name not in self.modules and attribute in vars(other):
                yield Root("module-attr-write", f"{name}.{attribute}", vars(other), attribute, module.__file__)

    def source(self, file):
        if file not in self.sources:
            small = os.path.isfile(file) and os.path.getsize(file) <= MAX_SOURCE
            self.sources[file] = Source(file if small and file.endswith(".py") else os.devnull)
        return self.sources[file]

    def keep(self, value):
        return MISSING if value is MISSING else self.states.keep(value)

    def keep_all(self):
        for root in self.roots:
            root.kept = self.keep(root.value())

    # What has changed.

    def variables(self, request_id):
        told = set()
        for root in self.roots:
            value, kept = root.value(), root.kept
            if value is kept:
                continue
            try:
                found = self.states.difference(root.name, kept, value)
            except RuntimeError:
                continue  # another thread is at it
            if found is None:
                if isinstance(kept, Kept) and kept.id != id(value):
                    root.kept = self.keep(value)
                continue
            root.kept = self.keep(value)
            if id(value) in told and found[1]["what"] != "bind":
                continue  # the same container under another name
            told.add(id(value))
            name, detail = found
            self.report.put(root.kind, request_id, name, root.file, self.line(root), detail)
        for root in self.connections:
            now = getattr(root.value(), "in_transaction", False)
            if now != self.open.get(root.name):
                self.changed("process-other", request_id, f"transaction of {root.name}", self.open[root.name], now, *self.place(("execute", "executemany")))
                self.open[root.name] = now

    def line(self, root):
        return self.source(root.file).line(root.name, self.lines.executed.get(root.file, ()))

    def surroundings(self, request_id):
        if variables != self.environment:
            now = env()
            for name in now.keys() | self.environment.keys():
                before, after = self.environment.get(name), now.get(name)
                if before != after and name != TRACE:
                    name = os.fsdecode(name)
                    self.changed("env-write", request_id, name, decoded(before), decoded(after), *self.activity.env_lines.get(name, (None, 0)))
            self.environment = now
        now = process.states()
        if now != self.process:
            for name, before, after in process.differences(self.process, now):
                kind = name if name in ("locale", "umask") else "process-other"
                self.changed(kind, request_id, name, before, after, *self.place(process.calls(name)))
            self.process = now
        if self.activity.moved:
            self.activity.moved = False
            now = os.getcwd()
            if now != self.cwd:
                self.changed("chdir", request_id, "working folder", self.cwd, now, *self.activity.env_lines.get("cwd", (None, 0)))
                self.cwd = now

    def changed(self, kind, request_id, name, before, after, file, line):
        self.report.put(kind, request_id, name, file, line, {"what": "bind", "before": str(before), "after": str(after)})

    def place(self, calls):
        """Where one of these functions was called in this request, as far as can be told."""
        for file, executed in self.lines.executed.items():
            line = self.source(file).line_of_call(calls, executed)
            if line:
                return file, line
        return None, 0

    def remains(self, request_id):
        """What still runs at the end."""
        for name in self.threads.left(request_id):
            self.report.put("thread-left", request_id, name)
        if self.activity.forked or self.children:
            now = children()
            for pid, command in now.items():
                if pid not in self.children:
                    self.report.put("child-left", request_id, command or self.activity.forked)
            self.children, self.activity.forked = now, ""

    # What happens meanwhile.

    def act(self, kind, name, detail, owner, file, line):
        self.report.put(kind, owner, name, file, line, detail)

    def paused(self, file, line, seconds):
        self.report.put("pause", self.current, None, file, line, {"ms": round(seconds * 1000, 2)})

    def elsewhere(self, code, line):
        """A line that ran outside the request's thread; true when it is not the running request's."""
        owner = self.threads.owner()
        if owner and owner != self.current and (owner, code) not in self.overdue:
            self.overdue.add((owner, code))
            self.report.put("work-after-answer", owner, code.co_qualname, code.co_filename, line)
        return owner != self.current


variables = os.environ._data  # not decoded


def env():
    return dict(variables)


def decoded(value):
    return "undefined" if value is None else os.fsdecode(value)
