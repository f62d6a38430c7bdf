"""Every reason that a Finding in the source can have, derived from its syntax tree.

The reason of each `Finding(...)` call is followed to its string constants: through local names, parameters, imported
constants, tables, functions that return it, and `RefProblem`s that carry it. What cannot be followed raises, so that
the list never lacks a reason silently: then write the reason in a simpler way.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.source_files import FILES, ROOT, syntax_tree

REASON = "reason"
POSITION = 1
"""The position of `reason` in a Finding."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnknownReasonError(Exception):
    """An expression whose values cannot be derived."""


@dataclass
class Module:
    """A file: its constants, its imports by local name, and the function around each node."""

    path: Path
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    inside: dict[ast.AST, Function] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """Where an expression stands."""

    module: Module
    function: Function | None


class Reasons:
    """The reasons of all Findings under the source folders."""

    def __init__(self) -> None:
        self._modules: dict[str, Module] = {}
        self._functions: dict[str, list[tuple[Module, Function]]] = defaultdict(list)
        self._calls: dict[str, list[tuple[Module, ast.Call]]] = defaultdict(list)
        self._following: list[tuple[ast.AST, str]] = []
        for path in FILES:
            self._read(path)

    def all(self) -> set[str]:
        """Return every reason."""
        reasons: set[str] = set()
        for module, call in self._calls["Finding"]:
            reasons |= self._argument(module, call, REASON, POSITION)
        return reasons

    def _read(self, path: Path) -> None:
        module = Module(path)
        tree = syntax_tree(path)
        self._modules["mirrorplane." + ".".join(path.relative_to(ROOT).with_suffix("").parts)] = module
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                module.constants[statement.targets[0].id] = statement.value
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
                module.constants[statement.target.id] = statement.value
        self._index(module, tree, None)

    def _index(self, module: Module, node: ast.AST, function: Function | None) -> None:
        if function is not None:
            module.inside[node] = function
        if isinstance(node, ast.ImportFrom) and node.module:
            module.imports |= {alias.asname or alias.name: node.module for alias in node.names}
        if isinstance(node, ast.Call) and _name(node.func):
            self._calls[_name(node.func)].append((module, node))
        if isinstance(node, Function):
            self._functions[node.name].append((module, node))
            function = node
        for child in ast.iter_child_nodes(node):
            self._index(module, child, function)

    def _argument(self, module: Module, call: ast.Call, name: str, position: int) -> set[str]:
        """Return the values of a call's argument; nothing where it takes the default."""
        value = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
        if value is None and position < len(call.args):
            value = call.args[position]
        return self._values(value, Scope(module, module.inside.get(call))) if value is not None else set()

    def _values(self, node: ast.expr, scope: Scope) -> set[str]:
        alternatives, parts = _alternatives(node), _parts(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return {node.value}
        if alternatives:
            return self._union(alternatives, scope)
        if parts:
            return {"".join(texts) for texts in product(*(self._values(part, scope) for part in parts))}
        return self._followed(node, scope)

    def _followed(self, node: ast.expr, scope: Scope) -> set[str]:
        """Return the values of an expression that is bound elsewhere."""
        if isinstance(node, ast.Attribute) and node.attr == REASON:
            return self._carried()
        if isinstance(node, ast.Call):
            return self._returned(node, scope)
        if isinstance(node, ast.Name):
            return self._named(node.id, scope)
        raise UnknownReasonError(f"{scope.module.path}:{node.lineno}: {ast.unparse(node)}")

    def _union(self, nodes: Iterable[ast.expr], scope: Scope) -> set[str]:
        return set().union(*(self._values(node, scope) for node in nodes))

    def _carried(self) -> set[str]:
        """Return the reasons of all RefProblems, whose first field it is."""
        return set().union(*(self._argument(module, call, REASON, 0) for module, call in self._calls["RefProblem"]))

    def _returned(self, call: ast.Call, scope: Scope) -> set[str]:
        """Return what a call yields: `next(...)`, `table.get(key, default)`, or one of our functions."""
        if _name(call.func) == "next":
            return self._values(call.args[0], scope)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "get":
            return self._union([call.func.value, *call.args[1:]], scope)
        reasons: set[str] = set()
        name = _name(call.func)
        for module, function in self._functions[name]:
            if name.startswith("_") and module is not scope.module:
                continue
            returns = (n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None)
            reasons |= self._union(returns, Scope(module, function))
        return reasons

    def _named(self, name: str, scope: Scope) -> set[str]:
        """Return the values of a variable: a local one, a parameter, a constant here or imported."""
        key = (scope.function or scope.module, name)
        if key in self._following:
            return set()
        self._following.append(key)  # type: ignore[arg-type]
        try:
            if scope.function is not None:
                values = list(_assigned(scope.function, name))
                if values:
                    return self._union(values, scope)
                parameters = [a.arg for a in (*scope.function.args.posonlyargs, *scope.function.args.args)]
                keywords = [a.arg for a in scope.function.args.kwonlyargs]
                if name in parameters or name in keywords:
                    return self._passed(scope.function, name, parameters)
            if name in scope.module.constants:
                return self._values(scope.module.constants[name], Scope(scope.module, None))
            origin = self._modules[scope.module.imports[name]]
            return self._values(origin.constants[name], Scope(origin, None))
        except KeyError as error:
            raise UnknownReasonError(f"{scope.module.path}: {name}") from error
        finally:
            self._following.pop()

    def _passed(self, function: Function, name: str, parameters: list[str]) -> set[str]:
        """Return what calls pass for a parameter; a private function is called in its own file only."""
        position = parameters.index(name) if name in parameters else sys.maxsize
        position -= parameters[:1] == ["self"]
        home = next(module for module, known in self._functions[function.name] if known is function)
        calls = [c for c in self._calls[function.name] if c[0] is home or not function.name.startswith("_")]
        return set().union(*(self._argument(module, call, name, position) for module, call in calls))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _alternatives(node: ast.expr) -> list[ast.expr]:
    """Return the expressions of which one is the value; all entries of a table count."""
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.BoolOp(values=values) | ast.Dict(values=values):
            return values
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return elements
        case ast.Subscript(value=value) | ast.GeneratorExp(elt=value) | ast.FormattedValue(value=value):
            return [value]
    return []


def _parts(node: ast.expr) -> list[ast.expr]:
    """Return the expressions that are joined to the value."""
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [left, right]
        case ast.JoinedStr(values=values):
            return values
    return []


def _assigned(function: Function, name: str) -> Iterator[ast.expr]:
    """Yield the expressions that a local name is bound to; for a loop or comprehension, what it iterates over."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[target], value=value) | ast.NamedExpr(target=target, value=value):
                yield from _bound(target, value, name)
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield from _bound(target, value, name)


def _bound(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    if isinstance(target, ast.Tuple) and any(isinstance(t, ast.Name) and t.id == name for t in target.elts):
        position = next(i for i, t in enumerate(target.elts) if isinstance(t, ast.Name) and t.id == name)
        branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
        yield from (branch.elts[position] for branch in branches if isinstance(branch, ast.Tuple))
