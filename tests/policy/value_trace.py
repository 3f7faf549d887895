"""Trace a value through the calls of the source, statically: which functions it enters, and where it comes back up.

A value enters a function through a parameter whose annotation is one of its carriers. It is followed through
assignments, attributes of the objects that hold it (by field), containers, and results of calls; a result comes back
unless it is annotated as one of ENDS. What a library makes of a value counts as the value.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from .syntax_trees import parse

Key: TypeAlias = tuple[str, str]  # module, function or Class.method
Taint: TypeAlias = frozenset[tuple[str, ...]]
"""Where in an object the value is: paths of field names; the empty path is the object itself."""

NOWHERE: Taint = frozenset()
WHOLE: Taint = frozenset({()})
ENDS = {"Tensor", "Latents", "bool", "int", "float", "None", "str"}
Function: TypeAlias = ast.FunctionDef
LIBRARY = (str, bytes, list, dict, set, Path, Future)
"""Kinds whose methods are not taken for ours of the same name."""


class Program:
    """Functions, classes and imports of the files below `source`."""

    def __init__(self, source: Path) -> None:
        self.functions: dict[Key, Function] = {}
        self.fields: dict[Key, list[str]] = {}
        self.imports: dict[str, dict[str, Key]] = {}
        self.methods: dict[str, list[Key]] = defaultdict(list)
        for path in sorted(source.rglob("*.py")):
            module = ".".join(("woundgen", *path.relative_to(source).with_suffix("").parts)).removesuffix(".__init__")
            self._read(module, parse(path))

    def _read(self, module: str, tree: ast.Module) -> None:
        self.imports[module] = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("woundgen")
            for alias in node.names
            if node.module is not None
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[module, node.name] = node
            elif isinstance(node, ast.ClassDef):
                targets = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
                self.fields[module, node.name] = [name.id for name in targets if isinstance(name, ast.Name)]
                for part in node.body:
                    if isinstance(part, ast.FunctionDef):
                        key = module, f"{node.name}.{part.name}"
                        self.functions[key] = part
                        self.methods[part.name].append(key)

    def resolve(self, module: str, name: str) -> Key | None:
        """The function or class that `name` means in `module`."""
        for _ in range(4):
            if (module, name) in self.functions or (module, name) in self.fields:
                return module, name
            if name not in self.imports.get(module, {}):
                return None
            module, name = self.imports[module][name]
        return None


@dataclass
class Trace:
    """carriers: of annotations. entered: where in each parameter the value is. returned: (callee, caller)."""

    program: Program
    carriers: re.Pattern[str]
    entered: dict[Key, dict[str, Taint]] = field(default_factory=lambda: defaultdict(dict))
    results: dict[Key, Taint] = field(default_factory=dict)
    returned: set[tuple[Key, Key]] = field(default_factory=set)
    callers: dict[Key, set[Key]] = field(default_factory=lambda: defaultdict(set))
    queue: deque[Key] = field(default_factory=deque)

    def follow(self, entry: Key, parameter: str, path: tuple[str, ...]) -> None:
        """Begin at a parameter of `entry` and go on until nothing new is entered."""
        self.entered[entry][parameter] = frozenset({path})
        self.queue.append(entry)
        while self.queue:
            _Body(self, self.queue.popleft()).run()

    def files(self) -> set[str]:
        """Modules with a function that is handed the value itself, not only an object that holds it."""
        return {key[0] for key, taints in self.entered.items() if any(() in taint for taint in taints.values())}

    def enter(self, key: Key, parameter: str, taint: Taint) -> None:
        if not taint or (parameter != "self" and not self.carriers.search(_annotation(self.program, key, parameter))):
            return
        known = self.entered[key].get(parameter, NOWHERE)
        if taint - known:
            self.entered[key][parameter] = known | taint
            self.queue.append(key)


def _annotation(program: Program, key: Key, parameter: str) -> str:
    arguments = program.functions[key].args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if one.arg == parameter and one.annotation is not None:
            return ast.unparse(one.annotation)
    return ""


def _comes_back(function: Function) -> bool:
    text = "" if function.returns is None else ast.unparse(function.returns).strip("'")
    return text.removeprefix("Work[").removesuffix("]" if text.startswith("Work[") else "") not in ENDS


class _Body:
    """One pass through a function with what is known of its parameters."""

    def __init__(self, trace: Trace, key: Key) -> None:
        self.trace, self.key, self.program = trace, key, trace.program
        self.known: dict[str, Taint] = dict(trace.entered[key])

    def run(self) -> None:
        function = self.program.functions[self.key]
        result, before = NOWHERE, None
        while before != (self.known, result):
            before = dict(self.known), result
            for node in ast.walk(function):
                result |= self._statement(node)
        if not _comes_back(function):
            return
        if result - self.trace.results.get(self.key, NOWHERE):
            self.trace.results[self.key] = self.trace.results.get(self.key, NOWHERE) | result
            self.trace.queue.extend(self.trace.callers[self.key])

    def _statement(self, node: ast.AST) -> Taint:
        """Bind what an assignment or a loop binds; what a return or a yield gives."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            self._bind(node.target, self._taint(node.value))
        elif isinstance(node, ast.For | ast.comprehension):
            self._bind(node.target, WHOLE if self._taint(node.iter) else NOWHERE)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._bind(node.optional_vars, self._taint(node.context_expr))
        elif isinstance(node, ast.Expr):
            self._taint(node.value)
        elif isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            return self._taint(node.value)
        return NOWHERE

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        """Bind a target; `a, b = x, y` binds each to its own."""
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for part, its in zip(target.elts, value.elts, strict=True):
                self._assign(part, its)
        else:
            self._bind(target, self._taint(value))

    def _bind(self, target: ast.expr, taint: Taint) -> None:
        if not taint:
            return
        if isinstance(target, ast.Name):
            self.known[target.id] = self.known.get(target.id, NOWHERE) | taint
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._bind(part, WHOLE)
        elif isinstance(target, ast.Subscript | ast.Starred):
            self._bind(target.value, WHOLE)

    def _taint(self, node: ast.expr) -> Taint:
        match node:
            case ast.Name():
                return self.known.get(node.id, NOWHERE)
            case ast.Attribute():
                held = self._taint(node.value)
                return frozenset(path[1:] for path in held if path and path[0] == node.attr)
            case ast.Call():
                return self._call(node)
            case ast.YieldFrom() | ast.Starred() | ast.Await():
                return self._taint(node.value)
            case ast.JoinedStr() | ast.Compare() | ast.Lambda():
                for part in ast.iter_child_nodes(node):
                    if isinstance(part, ast.expr):
                        self._taint(part)
                return NOWHERE
            case ast.IfExp():
                return self._taint(node.body) | self._taint(node.orelse)
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        taints = [self._taint(part) for part in parts]  # of all, for each may hold a call
        return WHOLE if any(taints) else NOWHERE

    def _call(self, node: ast.Call) -> Taint:
        given = [(None, self._taint(argument)) for argument in node.args]
        given += [(keyword.arg, self._taint(keyword.value)) for keyword in node.keywords]  # type: ignore[misc]
        owner = self._taint(node.func.value) if isinstance(node.func, ast.Attribute) else NOWHERE
        target = self._target(node, any(taint for _, taint in given) or bool(owner))
        if target is None:
            found = WHOLE if owner or any(taint for _, taint in given) else NOWHERE
            if (
                found
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("append", "extend", "add", "update")
            ):
                self._bind(node.func.value, WHOLE)
            return found
        if target in self.program.fields:
            made = target[0], f"{target[1]}.__init__"
            if made in self.program.functions:
                self._enter(made, given, NOWHERE)
                names = [one.arg for one in self.program.functions[made].args.args[1:]]
            else:
                names = self.program.fields[target]
            held = [(name or (names[i] if i < len(names) else ""), taint) for i, (name, taint) in enumerate(given)]
            return frozenset((name, *path) for name, taint in held for path in taint if len(path) < 4)
        return self._enter(target, given, owner)

    def _target(self, node: ast.Call, matters: bool) -> Key | None:
        """What is called: by its name, or by the name of a method that one class alone has."""
        if isinstance(node.func, ast.Name):
            return self.program.resolve(self.key[0], node.func.id)
        if not isinstance(node.func, ast.Attribute) or not matters:
            return None
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "self" and "." in self.key[1]:
            own = self.key[0], f"{self.key[1].split('.')[0]}.{node.func.attr}"
            return own if own in self.program.functions else None
        if any(hasattr(kind, node.func.attr) for kind in LIBRARY):
            return None
        methods = self.program.methods.get(node.func.attr, [])
        return methods[0] if len(methods) == 1 else None

    def _enter(self, target: Key, given: list[tuple[str | None, Taint]], owner: Taint) -> Taint:
        self.trace.callers[target].add(self.key)
        arguments = self.program.functions[target].args
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        names = names[1:] if "." in target[1] else names
        if owner:
            self.trace.enter(target, "self", owner)
        for place, (name, taint) in enumerate(given):
            if name is not None or place < len(names):
                self.trace.enter(target, name or names[place], taint)
        result = self.trace.results.get(target, NOWHERE)
        if result:
            self.trace.returned.add((target, self.key))
        return result
