"""Convert LeetCode's linked lists and trees: a problem writes them as lists, a solution takes and returns nodes."""

import inspect
from collections import deque
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

_LONGEST = 10**6
"""Nodes that are read at most: a list that runs in a circle ends there."""


class ListNode:
    """A node of a linked list, as LeetCode defines it."""

    def __init__(self, val: Any = 0, next: "ListNode | None" = None) -> None:
        self.val, self.next = val, next


class TreeNode:
    """A node of a binary tree, as LeetCode defines it."""

    def __init__(self, val: Any = 0, left: "TreeNode | None" = None, right: "TreeNode | None" = None) -> None:
        self.val, self.left, self.right = val, left, right


def call(function: Callable[..., Any], arguments: list[Any]) -> Any:
    """Call a function, with nodes for lists where it is annotated so, and turn the nodes that it returns into lists."""
    kinds = _annotations(function)
    names = [name for name in kinds if name != "return"]
    made = [_nodes(kinds[name], value) for name, value in zip(names, arguments, strict=False)]
    return _lists(function(*made, *arguments[len(made) :]), kinds.get("return", ""))


def _annotations(function: Callable[..., Any]) -> dict[str, str]:
    """Return the text of each argument's annotation, and of the result's as `return`."""
    # why: asking for a signature takes longer than most functions do
    if _is_bare(function):
        return {}
    try:
        signature = inspect.signature(function)
    # why: a function that is not written in Python may have no signature
    except (TypeError, ValueError):
        return {}
    parameters = [one for one in signature.parameters.values() if one.kind < inspect.Parameter.VAR_POSITIONAL]
    return {one.name: str(one.annotation) for one in parameters} | {"return": str(signature.return_annotation)}


def _is_bare(function: Callable[..., Any]) -> bool:
    """Return whether it is a function or method with neither annotations nor attributes, which may bring some."""
    inner = function.__func__ if type(function) is MethodType else function
    return type(inner) is FunctionType and not inner.__annotations__ and not inner.__dict__


def _nodes(kind: str, value: Any) -> Any:
    if not isinstance(value, list) or not ("ListNode" in kind or "TreeNode" in kind):
        return value
    if "List[" in kind or "list[" in kind:
        inner = kind.replace("List[", "", 1).replace("list[", "", 1)
        return [_nodes(inner, item) for item in value]
    return _linked(value) if "ListNode" in kind else _tree(value)


def _linked(values: list[Any]) -> ListNode | None:
    head = None
    for value in reversed(values):
        head = ListNode(value, head)
    return head


def _tree(values: list[Any]) -> TreeNode | None:
    nodes = [None if value is None else TreeNode(value) for value in values]
    rest = iter(nodes[1:])
    for node in nodes:
        if node:
            node.left, node.right = next(rest, None), next(rest, None)
    return nodes[0] if nodes else None


def _lists(value: Any, kind: str) -> Any:
    """Return nodes as the problem writes them; no node is an empty list."""
    # why: by name, since solutions often define the class themselves
    name = type(value).__name__
    if value is None and ("ListNode" in kind or "TreeNode" in kind):
        return []
    if isinstance(value, list):
        return [_lists(item, kind) for item in value] if "Node" in kind else value
    return _chain(value) if name == "ListNode" else _levels(value) if name == "TreeNode" else value


def _chain(node: Any) -> list[Any]:
    found: list[Any] = []
    while node is not None and len(found) < _LONGEST:
        found.append(node.val)
        node = node.next
    return found


def _levels(root: Any) -> list[Any]:
    found: list[Any] = []
    waiting = deque([root])
    while waiting and len(found) < _LONGEST:
        node = waiting.popleft()
        found.append(None if node is None else node.val)
        if node is not None:
            waiting += [node.left, node.right]
    # why: problems write no empty places after the last node
    while found and found[-1] is None:
        found.pop()
    return found
