"""Runs Python functions of Lamina against the Lambda Runtime API.

With AWS_LAMBDA_MAX_CONCURRENCY set, the first process loads what all need and
forks one worker per concurrent invocation; each worker runs the function's own
init and polls on a connection of its own. The first process then only watches:
it reports the invocation of a worker that died and puts another in its place.
Without the variable there is one worker, this process.

Standard library only; what a function may not need is imported late, since
every start waits for it.
"""

import gc
import io
import json
import logging
import os
import sys
import time
import traceback
from importlib import import_module

import _socket
import _thread

ROOT = "/2018-06-01/runtime/"
PIPE_BUF = 4096  # up to here the kernel keeps concurrent writes to a pipe apart


# --- output -----------------------------------------------------------------


class Lines(io.RawIOBase):
    """Writes whole lines only, so that those of several workers never mix."""

    MAX_PENDING = 256 << 10

    def __init__(self, fd, lock_fd):
        self.fd, self.lock_fd, self.pending = fd, lock_fd, b""
        self.mutex = _thread.allocate_lock()

    def writable(self):
        return True

    def fileno(self):
        return self.fd

    def write(self, data):
        size = len(data)
        with self.mutex:
            data = self.pending + bytes(data)
            end = data.rfind(b"\n") + 1
            if len(data) - end > self.MAX_PENDING:
                end = len(data)
            self.pending = data[end:]
            if end:
                self.put(data[:end])
        return size

    def finish(self):
        """Ends a line that was left open."""
        with self.mutex:
            if self.pending:
                rest, self.pending = self.pending, b""
                self.put(rest + b"\n")

    def put(self, data):
        locked = len(data) > PIPE_BUF and self.lock_fd >= 0
        if locked:
            import fcntl

            fcntl.lockf(self.lock_fd, fcntl.LOCK_EX)
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError:
            pass  # nobody reads any more; the function need not suffer
        finally:
            if locked:
                fcntl.lockf(self.lock_fd, fcntl.LOCK_UN)


def open_output():
    """Replaces sys.stdout and sys.stderr; gives both writers."""
    lock_fd = -1
    if hasattr(os, "memfd_create"):
        lock_fd = os.memfd_create("lines")
    writers = Lines(1, lock_fd), Lines(2, lock_fd)
    for name, w in zip(("stdout", "stderr"), writers):
        text = io.TextIOWrapper(w, encoding="utf-8", errors="backslashreplace", write_through=True)
        text.mode = "w"
        setattr(sys, name, text)
    return writers


# --- logging ----------------------------------------------------------------

JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
LEVELS = {"TRACE": "DEBUG", "FATAL": "CRITICAL"}
RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Current:
    """The invocation that this process is running."""

    request_id = None
    tenant_id = None


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class JSONFormatter(logging.Formatter):
    def format(self, record):
        line = {
            "timestamp": timestamp(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, value, tb = record.exc_info
            line["stackTrace"] = traceback.format_list(traceback.extract_tb(tb))
            line["errorType"] = kind.__name__
            line["errorMessage"] = str(value)
            line["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        if Current.request_id:
            line["requestId"] = Current.request_id
        if Current.tenant_id:
            line["tenantId"] = Current.tenant_id
        for key, value in vars(record).items():
            if key not in RECORD_ATTRIBUTES and key not in line:
                line[key] = value
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    def format(self, record):
        text = super().format(record)
        ms = int(record.msecs)
        stamp = timestamp(record.created)[:-1]
        return f"[{record.levelname}]\t{stamp}.{ms:03d}Z\t{Current.request_id or ''}\t{text}"


class LogHandler(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        try:
            text = self.format(record)
            self.lines.put(text.encode("utf-8", "backslashreplace") + b"\n")
        except Exception:
            self.handleError(record)


def set_up_logging(lines):
    logging.Formatter.converter = time.gmtime
    handler = LogHandler(lines)
    handler.setFormatter(JSONFormatter() if JSON_LOGS else TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = LEVELS.get(level, level)
    if JSON_LOGS and level in logging.getLevelNamesMapping():
        root.setLevel(level)


def log_error(lines, error):
    """Logs an unhandled error as one line."""
    if JSON_LOGS:
        line = {"timestamp": timestamp(time.time()), "log_level": "ERROR", **error}
        text = json.dumps(line, ensure_ascii=False, default=str)
    else:
        text = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
        if error.get("stackTrace"):
            text += "\nTraceback (most recent call last):\n" + "".join(error["stackTrace"])
        text = text.rstrip("\n").replace("\n", "\r")  # one event, as on AWS
    lines.put(text.encode("utf-8", "backslashreplace") + b"\n")


# --- errors -----------------------------------------------------------------


OWN_FILES = (__file__, "<frozen importlib", os.path.dirname(os.__file__) + "/importlib/")


class Fault(Exception):
    """An error that is the platform's to name."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind, self.message, self.trace = kind, message, trace


def error_body(exc, request_id):
    if isinstance(exc, Fault):
        kind, message, trace = exc.kind, exc.message, exc.trace or []
    else:
        kind, message = type(exc).__name__, str(exc)
        frames = traceback.extract_tb(exc.__traceback__)
        while frames and frames[0].filename.startswith(OWN_FILES):
            del frames[0]
        trace = traceback.format_list(frames)
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


# --- the Runtime API --------------------------------------------------------


class Disconnected(Exception):
    """The Runtime API has closed the connection."""


class Client:
    """One keep-alive connection, with no more of HTTP than the Runtime API needs."""

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
        data = self.sock.recv(1 << 16) if self.sock else b""
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


# --- the function -----------------------------------------------------------


def load_handler(name):
    """Imports the function's module: its init."""
    try:
        module_name, function = name.rsplit(".", 1)
    except ValueError as e:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {e}") from None
    module_name = module_name.replace("/", ".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = import_module(module_name)
    except ImportError as e:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {e}") from None
    except SyntaxError as e:
        trace = [f'  File "{e.filename}" Line {e.lineno}\n    {e.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {e}", trace) from None
    try:
        return getattr(module, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'") from None


class Record:
    """Attributes, None where the caller gave none."""

    def __init__(self, names, values):
        values = values or {}
        for name, key in names.items():
            setattr(self, name, values.get(key))

    def __repr__(self):
        return f"{type(self).__name__}({vars(self)})"


class MobileClient(Record):
    pass


class ClientContext(Record):
    pass


class CognitoIdentity(Record):
    pass


CLIENT_FIELDS = {n: n for n in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")}


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers, lines):
        env = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id") or None
        self.client_context = self._client_context(headers.get("lambda-runtime-client-context"))
        self.identity = self._identity(headers.get("lambda-runtime-cognito-identity"))
        self._deadline = int(headers.get("lambda-runtime-deadline-ms", 0))
        self._lines = lines

    @staticmethod
    def _client_context(text):
        values = parse_context(text, "Client Context")
        if values is None:
            return None
        context = ClientContext({"custom": "custom", "env": "env", "client": "client"}, values)
        if context.client is not None:
            context.client = MobileClient(CLIENT_FIELDS, context.client)
        return context

    @staticmethod
    def _identity(text):
        names = {"cognito_identity_id": "cognitoIdentityId", "cognito_identity_pool_id": "cognitoIdentityPoolId"}
        return CognitoIdentity(names, parse_context(text, "Cognito Identity"))

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        self._lines.write(str(message).encode("utf-8", "backslashreplace"))

    def __repr__(self):
        shown = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        return f"LambdaContext([{','.join(f'{k}={v}' for k, v in shown.items())}])"


def parse_context(text, what):
    if not text:
        return None
    try:
        # Headers are Latin-1 on the wire; the JSON inside is UTF-8.
        return json.loads(text.encode("latin-1"))
    except (ValueError, UnicodeError) as e:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {what}: {e}") from None


def encode_other(value):
    if type(value).__name__ == "Decimal" and hasattr(value, "as_tuple"):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def encode_result(result):
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return json.dumps(result, ensure_ascii=False, default=encode_other).encode("utf-8"), "application/json"
    except (TypeError, ValueError, RecursionError) as e:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {e}") from None


class Worker:
    """Polls for events and runs them, one after the other."""

    def __init__(self, client, writers, slot):
        self.client, self.writers, self.slot = client, writers, slot

    def run(self):
        try:
            handler = load_handler(os.environ.get("_HANDLER", ""))
        except BaseException as e:
            if isinstance(e, (SystemExit, KeyboardInterrupt)):
                raise
            self.init_failed(error_body(e, ""))
            return 1
        self.finish_output()
        try:
            self.client.send(self.client.get("invocation/next"))
            self.slot.ready()
            while True:
                self.client.send(*self.one(handler))
        except Disconnected:
            return 1  # the environment is being torn down, or will get a new worker

    def one(self, handler):
        """Awaits one event; gives the answer and the next poll, which go out together."""
        status, headers, body = self.client.read()
        if status != 200:
            raise Disconnected(f"poll answered {status}")
        request_id = headers["lambda-runtime-aws-request-id"]
        self.slot.begin(request_id)
        Current.request_id, Current.tenant_id = request_id, headers.get("lambda-runtime-aws-tenant-id")
        self.set_trace(headers.get("lambda-runtime-trace-id"))
        answer = self.answer(handler, request_id, headers, body)
        self.finish_output()
        Current.request_id = Current.tenant_id = None
        self.client.send(answer, self.client.get("invocation/next"))
        status, _, text = self.client.read()
        self.slot.end()
        if status >= 300:
            log_error(self.writers[1], {
                "errorType": "Runtime.AnswerRefused", "requestId": request_id,
                "errorMessage": f"the Runtime API answered {status}: {text.decode('utf-8', 'replace').strip()}",
            })
        # Where the answer was refused with its body half read, the poll sent along is lost.
        return () if self.client.sock else (self.client.get("invocation/next"),)

    @staticmethod
    def set_trace(trace_id):
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)

    def answer(self, handler, request_id, headers, body):
        echo = {"Lambda-Runtime-Invocation-Id": headers.get("lambda-runtime-invocation-id")}
        path = f"invocation/{request_id}/"
        try:
            event = self.decode(headers, body)
            context = LambdaContext(headers, self.writers[0])
            result, kind = encode_result(handler(event, context))
            return self.client.post(path + "response", result, kind, echo)
        except Exception as e:
            error = error_body(e, request_id)
            log_error(self.writers[0], error)
            # The error's own type stays in the body: AWS's Python client sends no type header.
            return self.client.post(path + "error", encode_error(error), "application/json", echo)

    @staticmethod
    def decode(headers, body):
        if headers.get("content-type", "application/json") != "application/json":
            return body
        try:
            return json.loads(body)
        except ValueError as e:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {e}") from None

    def init_failed(self, error):
        log_error(self.writers[0], error)
        self.finish_output()
        headers = {"Lambda-Runtime-Function-Error-Type": error["errorType"]}
        try:
            self.client.send(self.client.post("init/error", encode_error(error), "application/json", headers))
            self.client.read()  # 403 when another worker was first: no matter
        except (Disconnected, OSError):
            pass

    def finish_output(self):
        for w in self.writers:
            w.finish()


def encode_error(error):
    return json.dumps(error, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")


# --- processes --------------------------------------------------------------

STARTING, READY, RUNNING = 0, 1, 2


class NoSlot:
    """For the one worker that nobody watches."""

    def ready(self):
        pass

    begin = end = lambda self, *args: None


class Slot:
    """A worker's place: what it is doing, in memory shared with the watcher."""

    SIZE = 512

    def __init__(self, memory, index):
        self.memory, self.start = memory, index * self.SIZE
        self.pid, self.failures, self.not_before = 0, 0, 0.0

    def ready(self):
        self.memory[self.start] = READY

    def begin(self, request_id):
        data = request_id.encode()[: self.SIZE - 2]
        self.memory[self.start + 2 : self.start + 2 + len(data)] = data
        self.memory[self.start + 1] = min(len(data), 255)
        self.memory[self.start] = RUNNING

    end = ready

    def state(self):
        return self.memory[self.start]

    def request_id(self):
        return self.memory[self.start + 2 : self.start + 2 + self.memory[self.start + 1]].decode()

    def reset(self):
        self.memory[self.start] = STARTING


class Watcher:
    """The first process: keeps its workers alive."""

    FIRST_DELAY, MAX_DELAY, MAX_FAILURES = 0.1, 5.0, 5

    def __init__(self, client, writers, count):
        import mmap

        self.client, self.writers = client, writers
        memory = mmap.mmap(-1, count * Slot.SIZE)
        self.slots = [Slot(memory, i) for i in range(count)]
        self.ever_ready = False

    def run(self):
        import select
        import signal

        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        self.stopped = False
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.stop)
        gc.collect()
        gc.freeze()  # keeps the garbage collector from copying shared pages
        for slot in self.slots:
            if self.spawn(slot):
                return self.work(slot)
        while not self.stopped:
            for slot in self.dead():
                self.buried(slot)
            if self.hopeless():
                return 1
            due = [s for s in self.slots if not s.pid]
            now = time.monotonic()
            for slot in due:
                if slot.not_before <= now and self.spawn(slot):
                    return self.work(slot)
            wait = min((s.not_before - now for s in due if not s.pid), default=None)
            select.select([wake_read], [], [], wait if wait is None else max(wait, 0))
            try:
                os.read(wake_read, 4096)
            except BlockingIOError:
                pass
        self.end_all(signal.SIGTERM)
        return 0

    def stop(self, *_):
        self.stopped = True

    def spawn(self, slot):
        """Forks a worker; true in the worker."""
        slot.reset()
        pid = os.fork()
        slot.pid = pid
        return pid == 0

    def work(self, slot):
        import signal

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return Worker(self.client, self.writers, slot).run()

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
        state = slot.state()
        if state == STARTING:
            slot.failures += 1
        else:
            self.ever_ready, slot.failures = True, 0
        delay = self.FIRST_DELAY * 2 ** (slot.failures - 1) if slot.failures else 0.0
        slot.not_before = time.monotonic() + min(delay, self.MAX_DELAY)
        if state == RUNNING:
            self.report(slot.request_id(), slot.status)

    def report(self, request_id, status):
        """Tells the caller at once, which on AWS waits for the timeout."""
        import signal

        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            how = f"signal: {'killed' if number == signal.SIGKILL else signal.strsignal(number).lower()}"
        else:
            how = f"exit status {os.WEXITSTATUS(status)}"
        message = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        body = {"errorType": "Runtime.ExitError", "errorMessage": message}
        log_error(self.writers[0], {**body, "requestId": request_id})
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.ExitError"}
        try:
            self.client.send(self.client.post(f"invocation/{request_id}/error", encode_error(body), "application/json", headers))
            self.client.read()
        except (Disconnected, OSError):
            pass
        self.client.close()  # workers to come must not inherit it

    def hopeless(self):
        """True when no worker runs and none can be expected to start."""
        if any(s.pid for s in self.slots):
            return False
        if any(s.state() != STARTING for s in self.slots):
            return False
        return not self.ever_ready or all(s.failures >= self.MAX_FAILURES for s in self.slots)

    def end_all(self, number):
        for slot in self.slots:
            if slot.pid:
                try:
                    os.kill(slot.pid, number)
                except ProcessLookupError:
                    pass
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline and any(s.pid for s in self.slots):
            for _ in self.dead():
                pass
            time.sleep(0.005)


def set_up_path():
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    opt = os.environ.get("LAMINA_OPT", "/opt")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    sys.path[:0] = [task, f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    os.environ.pop("LAMINA_OPT", None)
    sys.argv = [os.environ.get("_HANDLER", "")]


def main():
    set_up_path()
    writers = open_output()
    set_up_logging(writers[0])
    client = Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
    slots = os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY")
    try:
        if slots is not None:
            code = Watcher(client, writers, max(int(slots or 1), 1)).run()
        else:
            if os.getpid() == 1:  # whom signals without a handler do not reach
                import signal

                signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
            code = Worker(client, writers, NoSlot()).run()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException as e:
        log_error(writers[1], error_body(e, Current.request_id or ""))
        code = 1
    for w in writers:
        w.finish()
    os._exit(code)  # no clean-up of interpreters: a thread of the function must not hold up the end


if __name__ == "__main__":
    main()
