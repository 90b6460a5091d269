"""How long a constraint lets a command wait: an expression of a standard's timings."""

import ast
from collections.abc import Mapping


def evaluate(expression: str, values: Mapping[str, int]) -> int:
    """Return the value of a wait such as ``nCL + nBL + 2 - nCWL`` or ``max(nRTP, 4)``.

    Raises ValueError for anything but names of ``values``, whole numbers, ``+ - *`` and ``max``.
    """

    def walk(node: ast.AST) -> int:
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number
            case ast.Name(id=name) if name in values:
                return values[name]
            case ast.Name(id=name):
                raise ValueError(f"wait {expression!r}: {name} is not among the timings")
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return walk(left) + walk(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return walk(left) - walk(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return walk(left) * walk(right)
            case ast.Call(func=ast.Name(id="max"), args=[_, *_] as arguments, keywords=[]):
                return max(walk(argument) for argument in arguments)
        raise ValueError(f"wait {expression!r}: only timings, numbers, + - * and max are understood")

    try:
        return walk(ast.parse(expression, mode="eval").body)
    except SyntaxError:
        raise ValueError(f"wait {expression!r} is not an expression") from None
