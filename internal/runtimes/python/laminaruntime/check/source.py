"""Which lines of a source may have written a variable."""

import ast

MUTATORS = frozenset((
    "append", "add", "update", "pop", "extend", "insert", "remove", "clear", "setdefault", "discard", "popitem",
    "appendleft", "popleft", "move_to_end", "sort", "reverse", "__setitem__", "put", "subtract",
))


class Source:
    """An index of a file's writes that happen in functions."""

    def __init__(self, file):
        self.names, self.attributes, self.calls, self.modules = {}, {}, {}, {}
        self.defined = {}  # names of the module, by where they first get a value
        try:
            with open(file, "rb") as f:
                tree = ast.parse(f.read(), file)
        except (OSError, SyntaxError, ValueError, RecursionError):
            return
        for node in tree.body:
            for target in getattr(node, "targets", None) or [getattr(node, "target", None)]:
                if isinstance(target, ast.Name):
                    self.defined.setdefault(target.id, node.lineno)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                self.function(node)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    self.modules[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]

    def function(self, node):
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Assign, ast.Delete)):
                for target in inner.targets:
                    self.target(target, inner.lineno)
            elif isinstance(inner, (ast.AugAssign, ast.AnnAssign, ast.For, ast.NamedExpr)):
                self.target(inner.target, inner.lineno)
            elif isinstance(inner, ast.Call):
                self.call(inner)

    def target(self, target, line):
        if isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self.target(element, line)
            return
        while isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
            if isinstance(target, ast.Attribute):
                note(self.attributes, target.attr, line)
            target = target.value
        if isinstance(target, ast.Name):
            note(self.names, target.id, line)

    def call(self, node):
        function = node.func
        if isinstance(function, ast.Attribute):
            note(self.calls, function.attr, node.lineno)
            if function.attr in MUTATORS:
                self.target(function.value, node.lineno)
        elif isinstance(function, ast.Name):
            note(self.calls, function.id, node.lineno)

    def foreign_attributes(self):
        """Attributes of imported modules that functions set, as (name of the module, attribute)."""
        for name, module in self.modules.items():
            if name in self.names:
                for attribute in self.attributes:
                    if (module, attribute) != ("sys", "path"):  # the process's
                        yield module, attribute

    def line(self, name, executed):
        """The line that has written a variable: of those that the request ran, the last one; else where it is defined."""
        parts = name.replace("(", ".").rstrip(")").partition("[")[0].split(".")
        for part in parts[1:]:
            lines = set(self.names.get(part, ())) | set(self.attributes.get(part, ()))
            found = self.best(lines, executed)
            if found:
                return found
        return next((self.defined[p] for p in parts if p in self.defined), 0)

    def line_of_call(self, names, executed):
        return self.best([line for name in names for line in self.calls.get(name, ())], executed)

    @staticmethod
    def best(lines, executed):
        ran = [line for line in lines if line in executed]
        if ran:
            return max(ran)
        return max(lines) if lines and (not executed or len(set(lines)) == 1) else 0  # a function of one line runs unseen


def note(index, name, line):
    index.setdefault(name, []).append(line)
