"""Gives the workers in common what they would each load for themselves.

The first process reads, without running any of it, which modules the function
is going to import: those of the standard library it imports, the function's own
it only compiles. The workers are forked with both.
"""

import os
import re
import sys
import warnings
from importlib import import_module, machinery

# Files to look into, and their bytes in all (chosen): a large SDK's are some 300.
MAX_FILES, MAX_BYTES = 400, 16 << 20

# What says or shows something when imported, or belongs to one process.
NEVER = frozenset(("antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter", "test", "lib2to3", "readline", "rlcompleter", "__main__"))
SHARED = sys.stdlib_module_names - NEVER

IMPORT = re.compile(
    rb"^(?:    |\t)?(?:import[ \t]+(?P<names>[\w., \t]+)|from[ \t]+(?P<module>[.\w]+)[ \t]+import[ \t]*(?P<what>\([^)]*\)|[^\r\n#]*))",
    re.MULTILINE,
)

codes = {}  # by file


class Loader(machinery.SourceFileLoader):
    """Takes the code that the first process has compiled."""

    def get_code(self, fullname):
        return codes.get(self.path) or super().get_code(fullname)


def hook():
    """Makes imports from folders not yet looked at use the codes."""
    sys.path_hooks.insert(0, machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (Loader, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    ))


def preload(handler, folders, before):
    """folders are where the function's modules are; before are others that come before the standard library's."""
    found = Search(folders)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler; the function's own come when it runs
        module, dot, _ = handler.rpartition(".")
        if dot:
            found.visit(module.replace("/", "."))
    if codes:
        hook()
    if not shadows([*folders, *before]):
        for name in found.library:
            try:
                import_module(name)
            except BaseException:
                pass  # the worker that wants it will say why


def shadows(folders):
    """True when the function brings modules of its own with names of the standard library's."""
    for folder in folders:
        try:
            files = os.listdir(folder)
        except OSError:
            continue
        if any(f.split(".")[0] in SHARED for f in files):
            return True
    return False


class Search:
    """Follows imports, as far as can be told without running anything."""

    def __init__(self, folders):
        self.folders, self.seen, self.library = folders, set(), {}
        self.files, self.size = 0, 0

    def visit(self, name):
        todo = [name]
        while todo:
            name = todo.pop()
            if name in self.seen:
                continue
            self.seen.add(name)
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names:
                if top in SHARED and not name.startswith("_"):
                    self.library[name] = None
                continue
            todo += self.inside(name)

    def inside(self, name):
        """The imports of a module of the function's and of the packages that it is in."""
        parts = name.split(".")
        wanted = [".".join(parts[:i]) for i in range(1, len(parts))]
        path, package = self.locate(name)
        if not path or self.files >= MAX_FILES or self.size >= MAX_BYTES:
            return wanted
        try:
            with open(path, "rb") as f:
                source = f.read()
            codes[path] = machinery.SourceFileLoader(name, path).get_code(name)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return wanted  # the worker that wants it will say why
        self.files += 1
        self.size += len(source)
        return wanted + imports(source, parts if package else parts[:-1])

    def locate(self, name):
        """A module's file, and whether it is a package."""
        relative = name.replace(".", os.sep)
        for folder in self.folders:
            base = os.path.join(folder, relative)
            for path, package in ((os.path.join(base, "__init__.py"), True), (base + ".py", False)):
                if os.path.isfile(path):
                    return path, package
        return None, False


def imports(source, package):
    """The names that a source imports; package are the parts of the one that it is in."""
    names = []
    for match in IMPORT.finditer(source):
        if match["names"] is not None:
            names += [n.split()[0] for n in match["names"].decode("ascii", "ignore").split(",") if n.strip()]
            continue
        module = match["module"].decode("ascii", "ignore")
        dots = len(module) - len(module.lstrip("."))
        base = module.lstrip(".")
        if dots:
            if dots > len(package):
                continue
            base = ".".join([*package[: len(package) - dots + 1], *([base] if base else [])])
        names.append(base)
        if base.partition(".")[0] not in sys.stdlib_module_names:
            what = re.findall(rb"(?:^|,|\()\s*(\w+)", match["what"])
            names += [f"{base}.{w.decode('ascii', 'ignore')}" for w in what]
    return names
