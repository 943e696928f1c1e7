"""What a process keeps from one request to the next, and what has changed in it."""

import functools
import os
import sys
import types
from collections import deque

from .report import MAX_ITEMS, clip

ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes))
# What is one thing, whatever goes on inside it.
OPAQUE = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools._lru_cache_wrapper)
DEPTH = 5  # how far containers in containers are followed
MOST = 200  # elements of a container that are compared; of a larger one its size and the last of them

# Types, by module, of values that never change: compared by value and shown whole.
VALUES = frozenset(("datetime", "decimal", "uuid", "pathlib", "pathlib._local", "fractions", "zoneinfo", "re", "enum", "ipaddress"))

MISSING = object()


class Kept:
    """A copy of a container as it was."""

    __slots__ = ("kind", "id", "size", "items", "type", "plain")

    def __init__(self, kind, value, size, items):
        self.kind, self.id, self.size, self.items, self.type = kind, id(value), size, items, type(value)
        self.plain = None  # a flat copy of a container that holds nothing but atoms, quick to compare


class States:
    """Copies values and compares them with the copies."""

    def __init__(self, own_class):
        self.own_class = own_class  # whether a class is of the function's code

    def keep(self, value, depth=DEPTH):
        kind = type(value)
        if kind in ATOMS:
            return value
        if depth == 0 or isinstance(value, OPAQUE):
            return Kept("opaque", value, 0, None)
        if kind.__module__ in VALUES:
            return Kept("value", value, 0, value)
        if isinstance(value, dict):
            kept = Kept("map", value, len(value), {k: self.keep(value[k], depth - 1) for k in some_keys(value)})
            if kept.size <= MOST and ATOMS.issuperset(map(type, value.values())):
                kept.plain = kept.items
            return kept
        if isinstance(value, (list, deque, tuple)):
            first = max(len(value) - MOST, 0)
            kept = Kept("list", value, len(value), {i: self.keep(value[i], depth - 1) for i in range(first, len(value))})
            if kept.size <= MOST and ATOMS.issuperset(map(type, value)):
                kept.plain = value if type(value) is tuple else value.copy()
            return kept
        if isinstance(value, (set, frozenset)):
            return Kept("set", value, len(value), frozenset(value) if len(value) <= MOST else None)
        if isinstance(value, (bytearray, memoryview)):
            return Kept("bytes", value, len(value), bytes(value[:64]))
        attributes = self.attributes(value)
        if attributes:
            return Kept("object", value, 0, {k: self.keep(v, depth - 1) for k, v in attributes.items()})
        return Kept("opaque", value, 0, None)

    def attributes(self, value):
        """An object's attributes; of a class that is not the function's only containers that all may set (headers, params)."""
        kind = type(value)
        own = self.own_class(kind)
        found = getattr(value, "__dict__", None)
        if not isinstance(found, dict):
            found = {}
        if own:
            slots = [s for c in kind.__mro__ for s in getattr(c, "__slots__", ()) if isinstance(s, str) and hasattr(value, s)]
            return {**found, **{s: getattr(value, s) for s in slots}}
        if kind.__module__.partition(".")[0] in ("logging", "threading", "_thread", "concurrent", "queue", "asyncio", "contextvars"):
            if kind.__name__ != "LoggerAdapter":
                return {}
        return {k: v for k, v in found.items() if not k.startswith("_") and isinstance(v, (dict, list, set))}

    def difference(self, name, old, new, depth=DEPTH):
        """What has changed, as (name, detail), or None."""
        if old is new:
            return None
        if not isinstance(old, Kept):
            if type(new) in ATOMS and type(old) is type(new) and (old == new or old != old):
                return None
            return bound(name, old, new)
        if old.type is not type(new):
            return bound(name, old, new)
        if old.plain is not None and old.plain == new:
            return None
        if old.kind == "opaque":
            return None if old.id == id(new) else bound(name, old, new)
        if old.kind == "value":
            return None if old.items == new else bound(name, old, new)
        if old.kind == "bytes":
            same = old.size == len(new) and old.items == bytes(new[:64])
            return None if same else bound(name, old, new)
        found = self.inside(name, old, new, depth)
        if found and old.id != id(new):
            return bound(name, old, new)
        return found

    def inside(self, name, old, new, depth):
        if depth == 0:
            return None
        if old.kind == "set":
            return set_difference(name, old, new)
        if old.kind == "map":
            items, size = {k: new[k] for k in some_keys(new)}, len(new)
        elif old.kind == "list":
            items, size = {i: new[i] for i in range(max(len(new) - MOST, 0), len(new))}, len(new)
        else:
            items, size = self.attributes(new), 0
        found = None
        for key, was in old.items.items():
            now = items.get(key, MISSING)
            if now is MISSING or now is was:
                continue
            inner = self.difference("", was, now, depth - 1)
            if inner is None:
                continue
            inner = named(name, old.kind, key) + inner[0], inner[1]
            if inner[1]["what"] == "bind":
                inner[1]["what"] = "key"
            if inner[1]["what"] == "key":
                return inner  # the most telling
            found = found or inner
        if found:
            return found
        added = {k: v for k, v in items.items() if k not in old.items}
        if added and (old.kind == "object" or size > old.size or len(items) < MOST):
            return name, {"what": "grow", "before": text_of(old), "added": text(added if old.kind != "list" else list(added.values())), "size": size or len(items)}
        if size < old.size or old.kind == "object" and len(items) < len(old.items):
            return name, {"what": "shrink", "before": text_of(old), "after": text(new), "size": size or len(items)}
        return None


def bound(name, old, new):
    return name, {"what": "bind", "before": text_of(old), "after": text(new)}


def set_difference(name, old, new):
    if old.items is None or len(new) > MOST:
        added, gone = (), ()
        grown = len(new) - old.size
    else:
        added, gone = new - old.items, old.items - new
        grown = len(added)
    if grown > 0:
        return name, {"what": "grow", "added": text(list(added)), "size": len(new)}
    if grown < 0 or gone:
        return name, {"what": "shrink", "before": text_of(old), "after": text(new), "size": len(new)}
    return None


def some_keys(value):
    if len(value) <= MOST:
        return list(value)
    last = reversed(value)
    return [next(last) for _ in range(MOST)]


def named(name, kind, key):
    """An element's name; of a container in another one only what comes after that one's."""
    return f"{name}.{key}" if kind == "object" else f"{name}[{repr(key)[:60]}]"


def text(value):
    return clip(shown(value, 4))


def text_of(old):
    return clip(shown_kept(old))


def shown(value, depth):
    kind = type(value)
    if kind in (str, bytes):
        return repr(value[:300])
    if kind in ATOMS or kind.__module__ in VALUES:
        return repr(value)[:300]
    if value is MISSING:
        return "undefined"
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(k, depth - 1)}: {shown(value[k], depth - 1)}" for k in some_keys(value)[:MAX_ITEMS]) + "}"
    if isinstance(value, (list, deque, tuple)):
        return "[" + ", ".join(shown(value[i], depth - 1) for i in range(max(len(value) - MAX_ITEMS, 0), len(value))) + "]"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(shown(v, depth - 1) for v in list(value)[:MAX_ITEMS])) + "}"
    name = f"{kind.__module__}.{kind.__qualname__}"
    found = getattr(value, "__dict__", None)
    if isinstance(found, dict) and found and not isinstance(value, OPAQUE):
        return f"<{name} " + ", ".join(f"{k}={shown(v, depth - 1)}" for k, v in list(found.items())[:MAX_ITEMS] if k[:1] != "_") + ">"
    return f"<{name}>"


def shown_kept(old):
    if old is MISSING:
        return "undefined"
    if not isinstance(old, Kept):
        return shown(old, 1)
    if old.kind == "map":
        return "{" + ", ".join(f"{shown(k, 2)}: {shown_kept(v)}" for k, v in list(old.items.items())[:MAX_ITEMS]) + "}"
    if old.kind == "list":
        return "[" + ", ".join(shown_kept(v) for v in list(old.items.values())[-MAX_ITEMS:]) + "]"
    if old.kind == "set":
        return shown(old.items or frozenset(), 2)
    if old.kind == "value":
        return shown(old.items, 1)
    name = f"{old.type.__module__}.{old.type.__qualname__}"
    if old.kind == "object":
        return f"<{name} " + ", ".join(f"{k}={shown_kept(v)}" for k, v in list(old.items.items())[:MAX_ITEMS]) + ">"
    return f"<{name}>"


# Where the function keeps things.


class Root:
    """A variable that outlives requests."""

    __slots__ = ("kind", "name", "space", "key", "file", "kept")

    def __init__(self, kind, name, space, key, file):
        self.kind, self.name, self.space, self.key, self.file = kind, name, space, key, file
        self.kept = MISSING

    def value(self):
        return self.space.get(self.key, MISSING)


class Cell:
    """A captured variable, looked up like one of a module."""

    __slots__ = ("cell",)

    def __init__(self, cell):
        self.cell = cell

    def get(self, _, missing):
        try:
            return self.cell.cell_contents
        except ValueError:
            return missing


def own_modules(task):
    """The function's own modules: below its folder, save what is of an installed package."""
    installed = set()
    for entry in os.listdir(task) if os.path.isdir(task) else ():
        if entry.endswith((".dist-info", ".egg-info")):
            installed |= top_level(os.path.join(task, entry)) or {entry.split("-")[0].replace("-", "_")}
    folder = os.path.join(task, "")
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(folder) and "/site-packages/" not in file:
            if name.partition(".")[0] not in installed:
                found.append(module)
    return found


def top_level(info):
    for name in ("top_level.txt", "RECORD"):
        try:
            with open(os.path.join(info, name), encoding="utf-8") as f:
                return {line.split(",")[0].split("/")[0].strip().removesuffix(".py") for line in f if line.strip()}
        except OSError:
            continue
    return set()


def roots_of(module):
    """A module's variables, its classes' attributes, its functions' mutable defaults and captured variables."""
    space, file = vars(module), module.__file__
    for name, value in list(space.items()):
        if name.startswith("__") or isinstance(value, types.ModuleType):
            continue
        label = f"{module.__name__}.{name}"
        if isinstance(value, type):
            if value.__module__ == module.__name__:
                yield from roots_of_class(value, label, file, set())
        elif isinstance(value, types.FunctionType) or hasattr(value, "__wrapped__"):
            yield from roots_of_function(value, label, file, set())
        else:
            yield Root("global-write", label, space, name, file)


def roots_of_class(cls, label, file, seen):
    if cls in seen:
        return
    seen.add(cls)
    for name, value in list(vars(cls).items()):
        if name.startswith("__") and name.endswith("__") and not callable(value):
            continue
        inner = f"{label}.{name}"
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if isinstance(value, type):
            yield from roots_of_class(value, inner, file, seen)
        elif isinstance(function, types.FunctionType):
            yield from roots_of_function(function, inner, file, set())
        elif not isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType, property)):
            yield Root("class-write", inner, vars(cls), name, file)


def roots_of_function(function, label, file, seen):
    function = getattr(function, "__func__", function)
    if id(function) in seen:
        return
    seen.add(id(function))
    if hasattr(function, "__wrapped__"):
        yield from roots_of_function(function.__wrapped__, label, file, seen)
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename != file:
        return
    names = code.co_varnames[: code.co_argcount]
    defaults = list(zip(reversed(names), reversed(function.__defaults__ or ()))) + list((function.__kwdefaults__ or {}).items())
    for name, value in defaults:
        if type(value) not in ATOMS and not isinstance(value, (tuple, frozenset, *OPAQUE)):
            yield Root("default-write", f"{label}({name})", {name: value}, name, file)
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        value = Cell(cell).get(None, MISSING)
        if isinstance(value, types.FunctionType):
            yield from roots_of_function(value, f"{label}.{name}", file, seen)
        elif value is not MISSING and not isinstance(value, OPAQUE):
            yield Root("closure-write", f"{label}.{name}", Cell(cell), name, file)
    for name in function.__dict__:
        if name != "__wrapped__":
            yield Root("global-write", f"{label}.{name}", function.__dict__, name, file)


def spaces_of(module):
    """The namespaces that may gain variables: the module's and its classes'."""
    return [vars(module), *(vars(v) for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__)]


def codes_of(module):
    """The code of a module's functions, wherever they are."""
    seen, known, todo = set(), set(), list(vars(module).values())
    while todo:
        value = todo.pop()
        if isinstance(value, types.CodeType):
            if value.co_filename == module.__file__ and value not in seen:
                seen.add(value)
                todo += value.co_consts
        elif id(value) not in known and (callable(value) or isinstance(value, (property, staticmethod, classmethod))):
            known.add(id(value))
            todo += inside_callable(value, module)
    return seen


def inside_callable(value, module):
    """What else is behind a function, a class of the module's or what wraps a function."""
    if isinstance(value, type):
        return list(vars(value).values()) if value.__module__ == module.__name__ else []
    found = [getattr(value, name, None) for name in ("__code__", "__func__", "__wrapped__", "fget")]
    return found + [Cell(c).get(None, None) for c in getattr(value, "__closure__", None) or ()]
