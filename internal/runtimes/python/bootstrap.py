"""Runs Python functions of Lamina against the Lambda Runtime API.

With AWS_LAMBDA_MAX_CONCURRENCY set, the first process loads what all need and
forks one worker per concurrent invocation; each worker runs the function's own
init and polls on a connection of its own. The first process then only watches:
it reports the invocation of a worker that died and puts another in its place.
Without the variable there is one worker, this process.
"""

import gc
import os
import sys

gc.disable()  # until what is loaded here is set apart
sys.path.insert(0, os.path.dirname(__file__))

from laminaruntime import logs, output, worker  # noqa: E402
from laminaruntime.api import Client  # noqa: E402
from laminaruntime.errors import error_body  # noqa: E402

del sys.path[0]


def set_up_path():
    """Puts the function's folders before the standard library; gives them, and others that were there before."""
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    opt = os.environ.pop("LAMINA_OPT", "/opt")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = os.path.dirname(os.__file__)
    before = sys.path[: sys.path.index(library)] if library in sys.path else []
    folders = [task, f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    sys.path[:0] = folders
    sys.argv = [os.environ.get("_HANDLER", "")]
    return folders, [f for f in before if not f.endswith(".zip")]


def run(out):
    client = Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
    slots = os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY")
    if slots is not None:
        return run_many(client, out, max(int(slots or 1), 1))
    set_up_path()
    if os.getpid() == 1:  # whom signals without a handler do not reach
        import signal

        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    gc.enable()
    return worker.Worker(client, out, worker.NoSlot()).run()


def run_many(client, out, count):
    # Before the function's folders are on the path, where it may have files of these names.
    from laminaruntime import preload, watcher

    alone = count == 1 or os.environ.pop("LAMINA_NO_PRELOAD", "")
    folders, before = set_up_path()
    if not alone:
        preload.preload(os.environ.get("_HANDLER", ""), folders, before)
    return watcher.Watcher(client, out, count).run()


def run_to_exit(out):
    """run, where sys.exit means what it means to the interpreter."""
    try:
        return run(out)
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1


def main():
    out = output.Output()
    logs.set_up(out)
    try:
        code = run_to_exit(out)
    except BaseException as e:
        logs.log_error(out, error_body(e, output.Current.request_id))
        code = 1
    out.finish()
    os._exit(code & 0xFF)  # no clean-up of interpreters: a thread of the function must not hold up the end


if __name__ == "__main__":
    main()
