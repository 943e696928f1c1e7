"""State that belongs to the process as a whole."""

import os
import sys
import time

import _locale
import _signal as signal

SIGNALS = (signal.SIGALRM, signal.SIGUSR1, signal.SIGTERM)

# What sets each part, for the line where that was done.
CALLS = {
    "locale": ("setlocale", "bindtextdomain"), "umask": ("umask",), "timezone": ("tzset",),
    "decimal": ("setcontext", "getcontext"), "socket timeout": ("setdefaulttimeout",), "recursion limit": ("setrecursionlimit",),
    "sys.path": ("append", "insert", "extend"), "signal handlers": ("signal",),
}
LOGGING = ("addFilter", "addHandler", "setLevel", "removeHandler", "basicConfig", "disable")


def umask():
    now = os.umask(0o077)  # there is no other way to ask
    os.umask(now)
    return now


def states():
    """All parts, in an order of their own; what is not loaded can't have been changed."""
    loaded = sys.modules.get
    decimal, socket = loaded("decimal"), loaded("socket")
    context = decimal and decimal.getcontext()
    logging = loaded("logging")
    return (
        umask(), time.tzname, sys.path.copy(), sys.getrecursionlimit(), _locale.setlocale(_locale.LC_ALL),
        (context.prec, context.rounding) if context else None, socket and socket.getdefaulttimeout(),
        [signal.getsignal(number) for number in SIGNALS],
        [(name, logger.level, len(logger.handlers), len(logger.filters))
         for name, logger in (("root", logging.root), *logging.root.manager.loggerDict.items()) if hasattr(logger, "handlers")],
    )


NAMES = ("umask", "timezone", "sys.path", "recursion limit", "locale", "decimal", "socket timeout", "signal handlers")


def differences(before, now):
    """What differs, as (name, before, after) in words."""
    for name, was, is_ in zip(NAMES, before, now):
        if was != is_ and was is not None:
            yield name, *((f"{was:#o}", f"{is_:#o}") if name == "umask" else (str(was), str(is_)))
    loggers = {name: rest for name, *rest in before[-1]}
    for name, *rest in now[-1]:
        if loggers.get(name, rest) != rest:
            yield f"logger {name}", logger_shown(loggers[name]), logger_shown(rest)


def logger_shown(state):
    return "level %s, %d handlers, %d filters" % tuple(state)


def calls(name):
    return LOGGING if name.startswith("logger ") else CALLS.get(name, ())

