"""Formulas: a text such as ``35*exp(-r^2/0.02^2)`` as a function of arrays, and nothing else.

A scenario may come from anywhere, so a formula must not be able to do more than arithmetic. It is
read twice: as numbers, known names and signs, from which its syntax tree is made; and as a tree
whose every node must be on a short list. It is then worked out node by node on float64 arrays; it
is never compiled or run.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from diffusim.block import Array, Invalid

LONGEST, DEEPEST, MOST_NODES = 500, 40, 200

VARIABLES = ("x", "y", "z", "t", "r")
CONSTANTS = {"pi": np.pi, "e": np.e}

# Each with the number of its arguments.
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "abs": (np.abs, 1), "sign": (np.sign, 1), "floor": (np.floor, 1), "ceil": (np.ceil, 1),
    "sqrt": (np.sqrt, 1), "exp": (np.exp, 1), "log": (np.log, 1), "log10": (np.log10, 1),
    "sin": (np.sin, 1), "cos": (np.cos, 1), "tan": (np.tan, 1), "asin": (np.arcsin, 1),
    "acos": (np.arccos, 1), "atan": (np.arctan, 1), "sinh": (np.sinh, 1), "cosh": (np.cosh, 1),
    "tanh": (np.tanh, 1), "erf": (special.erf, 1), "erfc": (special.erfc, 1),
    "atan2": (np.arctan2, 2), "hypot": (np.hypot, 2), "min": (np.minimum, 2),
    "max": (np.maximum, 2), "where": (lambda c, a, b: np.where(c != 0, a, b), 3),
}  # fmt: skip

_BINARY: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Mod: np.mod, ast.Pow: np.power,
}  # fmt: skip
_UNARY: dict[type[ast.AST], Callable[..., Any]] = {ast.UAdd: np.positive, ast.USub: np.negative}
_COMPARE: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|[<>=!]=|[-+*/%^()<>,])",
    re.ASCII,
)


class Formula:
    """A formula of x, y, z, t and r that was checked once and can be worked out on arrays.

    Numbers, ``+ - * / %``, powers as ``^`` or ``**``, parentheses, one comparison at a time (one
    where it holds, zero elsewhere), the constants pi and e, and the functions abs, sign, floor,
    ceil, sqrt, exp, log, log10, sin, cos, tan, asin, acos, atan, atan2, sinh, cosh, tanh, erf,
    erfc, hypot, min, max and where(condition, then, otherwise).

    Parameters
    ----------
    text : str
        Printable ASCII, at most 500 characters, parentheses at most 40 deep.

    Attributes
    ----------
    names : frozenset of str
        The variables in it.

    Raises
    ------
    Invalid
        For everything else, saying what and at which character.

    Examples
    --------
    >>> Formula("2^3*x + max(x, 1)")(x=np.array([0.0, 2.0]))
    array([ 1., 18.])
    """

    def __init__(self, text: str) -> None:
        self.text = text
        tokens = _tokens(text)
        self._tree = _parsed(tokens)
        nodes = [node for node in ast.walk(self._tree) if isinstance(node, ast.expr)]
        if len(nodes) > MOST_NODES:
            raise Invalid(f"{len(nodes)} numbers, names and operations are more than {MOST_NODES}")
        _check(self._tree, tokens)
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        self.names = frozenset(names & set(VARIABLES))

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"

    def __call__(self, **names: Any) -> Array:
        """Work the formula out on float64 arrays that broadcast against each other.

        Parameters
        ----------
        **names : array
            Values of x, y, z, t and r, as far as they exist here.

        Returns
        -------
        array
            Float64, of the shape to which the given values broadcast.

        Raises
        ------
        Invalid
            When the formula has a variable that is not given, or a value is not a finite number.
        """
        given = {name: np.asarray(value, dtype=float) for name, value in names.items()}
        missing = sorted(self.names - set(given))
        if missing:
            known = ", ".join(given) or "none"
            raise Invalid(f"'{missing[0]}' has no value here; variables that have one: {known}")
        shape = np.broadcast_shapes(*(value.shape for value in given.values()))
        with np.errstate(all="ignore"):
            value = _value(self._tree, {**CONSTANTS, **given})
        result = np.array(np.broadcast_to(value, shape), dtype=float)
        if not np.all(np.isfinite(result)):
            place = np.unravel_index(int(np.argmin(np.isfinite(result))), shape)
            full = {
                n: np.broadcast_to(v, shape)[place] for n, v in given.items() if n in self.names
            }
            where = ", ".join(f"{n} = {v:g}" for n, v in full.items())
            raise Invalid(f"'{self.text}' is not a finite number{' at ' * bool(where)}{where}")
        return result


class _Token(NamedTuple):
    """A number, a name or a sign: as Python writes it, its column there, its place in the text."""

    python: str
    column: int
    place: int


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise Invalid(f"a formula has at most {LONGEST} characters, this one has {len(text)}")
    if odd := re.search(r"[^\x20-\x7e]", text):
        raise _refusal(f"{ascii(odd[0])} is not a printable ASCII character", odd.start())
    tokens: list[_Token] = []
    opened: list[int] = []
    place = column = 0
    while place < len(text):
        if text[place] == " ":
            place += 1
            continue
        match = _TOKEN.match(text, place)
        if match is None:
            raise _refusal(f"{text[place]!r} has no meaning in formulas", place)
        python = _translated(match)
        tokens.append(_Token(python, column, place))
        if python == "(":
            opened.append(place)
        elif python == ")" and not opened:
            raise _refusal("this parenthesis closes nothing", place)
        elif python == ")":
            opened.pop()
        if len(opened) > DEEPEST:
            raise _refusal(f"parentheses are more than {DEEPEST} deep", place)
        column += len(python) + 1
        place = match.end()
    if opened:
        raise _refusal("this parenthesis is never closed", opened[-1])
    if not tokens:
        raise Invalid("the formula is empty")
    return tokens


def _translated(match: re.Match[str]) -> str:
    """Return a token as Python writes it: numbers as floats, ^ as **."""
    word = match[0]
    if match["name"]:
        _check_name(word, match.start())
        return word
    if match["sign"]:
        return "**" if word == "^" else word
    number = float(word)
    if not np.isfinite(number):
        raise _refusal(f"{_shown(word)} is beyond 1.8e308, the limit of numbers", match.start())
    if re.match(r"\w|\.", match.string[match.end() :], re.ASCII):
        raise _refusal(
            f"something sticks to the number {_shown(word)}; put a sign between", match.start()
        )
    return repr(number)


def _check_name(word: str, place: int) -> None:
    known = [*VARIABLES, *CONSTANTS, *FUNCTIONS]
    if word not in known:
        near = difflib.get_close_matches(word, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
        raise _refusal(f"'{_shown(word)}' is not known in formulas{hint}", place)


def _parsed(tokens: list[_Token]) -> ast.expr:
    try:
        return ast.parse(" ".join(token.python for token in tokens), mode="eval").body
    except SyntaxError as problem:
        near = [token.place for token in tokens if token.column < (problem.offset or 1)]
        message = "the formula cannot be read here; a sign or a value may be missing"
        raise _refusal(message, near[-1] if near else tokens[-1].place) from None
    except (ValueError, RecursionError, MemoryError):
        raise Invalid("the formula cannot be read; it is nested too deeply") from None


def _check(node: ast.expr, tokens: list[_Token]) -> None:
    """Refuse every node that is not on the list; what is not named here cannot pass."""
    below: list[ast.expr] = []
    message = "only arithmetic, one comparison at a time and functions are allowed here"
    match node:
        case ast.Constant(value=float()):
            return
        case ast.Name(id=name) if name in VARIABLES or name in CONSTANTS:
            return
        case ast.Name(id=name):
            message = f"'{name}' is a function; write {name}(...)"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            below = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            below = [operand]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            below = [left, right]
        case ast.Compare():
            message = "comparisons cannot be chained; multiply two of them instead"
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            wanted, below = FUNCTIONS[name][1], args
            if len(below) != wanted:
                message, below = (
                    f"{name} takes {wanted} argument{'s' * (wanted > 1)}, not {len(below)}",
                    [],
                )
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            message = f"'{name}' is no function; write {name}*(...) to multiply"
        case ast.Tuple():
            message = "a comma stands between the arguments of a function only"
    if not below:
        place = next((t.place for t in tokens if t.column == node.col_offset), 0)
        raise _refusal(message, place)
    for part in below:
        _check(part, tokens)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=float(number)):
            return np.float64(number)
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, names))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            holds = _COMPARE[type(op)](_value(left, names), _value(right, names))
            return np.asarray(holds, dtype=float)
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name][0](*(_value(part, names) for part in args))
    raise AssertionError(f"{type(node).__name__} was let through")


def _refusal(message: str, place: int) -> Invalid:
    return Invalid(f"{message} (character {place + 1})")


def _shown(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:37]}..."
