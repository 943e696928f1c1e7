"""What a request does to the world: files below /tmp, connections, child processes, threads."""

import os
import socket
import sys
import threading

WRITES = os.O_WRONLY | os.O_RDWR
# fcntl.flock's and lockf's.
LOCK_UN = 8


class Activity:
    """Listens to the interpreter's audit events; report is called with kind, name, detail and the owner's id."""

    def __init__(self, task, owner, report):
        self.folder, self.owner, self.report = os.path.join(task, ""), owner, report
        self.temporary = tuple({"/tmp/", os.path.join(os.environ.get("TMPDIR", "/tmp"), "")})
        self.runtime_api = os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
        self.moved = False  # the working folder
        self.forked = ""  # the last child's command
        self.env_lines = {}  # by variable
        self.busy = threading.local()
        self.handlers = {
            "open": self.opened, "os.rename": self.renamed, "os.remove": self.removed, "os.truncate": self.truncated,
            "fcntl.flock": self.locked, "fcntl.lockf": self.locked, "socket.connect": self.connected,
            "subprocess.Popen": self.child, "os.posix_spawn": self.child, "os.fork": self.child, "os.chdir": self.chdir,
            "os.putenv": self.env, "os.unsetenv": self.env,
        }
        sys.addaudithook(self.hear)

    def hear(self, event, args):
        handle = self.handlers.get(event)
        if handle is None or getattr(self.busy, "here", False):
            return
        owner = self.owner()
        if not owner:
            return
        self.busy.here = True
        try:
            handle(owner, *args)
        except Exception:
            pass  # must not reach the function
        finally:
            self.busy.here = False

    def place(self):
        """File and line of the function's code that is running."""
        frame = sys._getframe(2)
        while frame:
            if frame.f_code.co_filename.startswith(self.folder):
                return frame.f_code.co_filename, frame.f_lineno
            frame = frame.f_back
        return None, 0

    def file(self, owner, path, op, dir_fd=-1):
        if isinstance(path, int):
            return
        path = os.fsdecode(path)
        if dir_fd is not None and dir_fd >= 0 and not os.path.isabs(path):
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        path = os.path.abspath(path)
        if path.startswith(self.temporary):
            self.report("file", path, {"op": op}, owner, *self.place())

    def opened(self, owner, path, mode, flags):
        if isinstance(path, int) or path is None:
            return
        if flags & os.O_DIRECTORY or getattr(os, "O_TMPFILE", 0) and flags & os.O_TMPFILE == os.O_TMPFILE:
            return
        if mode and not flags & WRITES and mode[:1] in "wax":
            flags |= os.O_WRONLY
        name = os.path.abspath(os.fsdecode(path))
        if not name.startswith(self.temporary) or os.path.isdir(name):
            return
        there = os.path.exists(name)
        if flags & os.O_EXCL or mode and "x" in mode:
            if not there:
                self.file(owner, path, "exclusive")
        elif flags & WRITES:
            if there or flags & os.O_CREAT or mode and mode[:1] in "wa":
                self.file(owner, path, "write")
        elif there:
            self.file(owner, path, "read")

    def renamed(self, owner, _, path, __, dir_fd):
        self.file(owner, path, "rename", dir_fd)

    def removed(self, owner, path, dir_fd):
        self.file(owner, path, "remove", dir_fd)

    def truncated(self, owner, path, _):
        self.file(owner, path, "write")

    def locked(self, owner, fd, operation, *_):
        path = os.readlink(f"/proc/self/fd/{fd if isinstance(fd, int) else fd.fileno()}")
        self.file(owner, path, "unlock" if operation & LOCK_UN else "lock")

    def connected(self, owner, sock, address):
        if sock.type != socket.SOCK_STREAM:
            return
        name = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else os.fsdecode(address)
        if name != self.runtime_api:
            self.report("connection", name, None, owner, *self.place())

    def child(self, _, program=None, args=(), *__):
        words = [args] if isinstance(args, (str, bytes)) else args or [program]
        self.forked = " ".join(os.fsdecode(w) for w in words if w is not None) or "fork"

    def chdir(self, *_):
        self.moved = True
        self.env_lines["cwd"] = self.place()

    def env(self, _, name, *__):
        self.env_lines[os.fsdecode(name)] = self.place()


class Threads:
    """Whose each thread is: the request's in which it, or the task that it runs, was started."""

    def __init__(self, current):
        self.current = current  # the running request's id
        self.owners = {}  # of threads, by ident
        self.tasks = threading.local()
        self.main = threading.main_thread().ident
        self.patch_start()
        self.patch_pools()

    def owner(self):
        ident = threading.get_ident()
        if ident == self.main:
            return self.current()
        task = getattr(self.tasks, "owner", None)
        return task if task is not None else self.owners.get(ident, "")

    def patch_start(self):
        start, run = threading.Thread.start, threading.Thread._bootstrap_inner

        def started(thread):
            thread._lamina_owner = self.owner()
            start(thread)

        def begun(thread):
            self.owners[threading.get_ident()] = getattr(thread, "_lamina_owner", "")
            try:
                run(thread)
            finally:
                self.owners.pop(threading.get_ident(), None)

        threading.Thread.start, threading.Thread._bootstrap_inner = started, begun

    def patch_pools(self):
        """A pool's thread works for whoever gave it the task."""
        from concurrent.futures import thread as pools

        make, run = pools._WorkItem.__init__, pools._WorkItem.run

        def made(item, *args, **kwargs):
            item._lamina_owner = self.owner()
            make(item, *args, **kwargs)

        def ran(item, *args, **kwargs):
            before = getattr(self.tasks, "owner", None)
            self.tasks.owner = getattr(item, "_lamina_owner", "")
            try:
                run(item, *args, **kwargs)
            finally:
                self.tasks.owner = before

        pools._WorkItem.__init__, pools._WorkItem.run = made, ran

    def left(self, request_id):
        """Names of the threads that a request has started and that still run."""
        mine = [ident for ident, owner in list(self.owners.items()) if owner == request_id]
        names = {t.ident: t.name for t in threading.enumerate()} if mine else {}
        return [names[ident] for ident in mine if ident in names]


def children():
    """This process's children that run, as {pid: command}."""
    found = {}
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/self/task/{thread}/children") as f:
                pids = f.read().split()
        except OSError:
            continue
        for pid in pids:
            command = running(pid)
            if command is not None:
                found[int(pid)] = command
    return found


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            if f.read().rpartition(")")[2].split()[0] == "Z":
                return None
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return None
