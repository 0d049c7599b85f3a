"""Scenario files as plain values that remember where each of them stood.

A scenario may come from anywhere, so its text is walked event by event under fixed limits, and all
that is wrong becomes one `ScenarioError` of sentences with file, line and column. Scalars are those
of the core schema (https://yaml.org/spec/1.2.2/#103-core-schema), but `True` and `NULL` are texts.
"""

from __future__ import annotations

import copy
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.scanner import Scanner

from diffusim.block import Invalid
from diffusim.phrases import dotted as _dotted
from diffusim.phrases import found as _found
from diffusim.phrases import guess as _guess
from diffusim.phrases import shown as _shown

Path_ = tuple[str | int, ...]

_BYTES, _DEPTH, _NODES, _SCALAR, _BASES = 2**20, 16, 20_000, 10_000, 8
_TOO_DEEP = f"this is nested too deeply; at most {_DEPTH} levels are read"
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SENTENCES = {  # for messages of the parser, by a part of them
    "'\\t' that cannot": "a tab stands here; YAML is indented with spaces",
    "cannot start any": "no value starts with this character; put the text in quotes",
    "mapping values": "no ':' is expected here; check the indentation, quote text with ': '",
    "expected ':'": "a ':' is missing after the key on line {line}",
    "end of stream": "the quote opened on line {line} is never closed",
    "expected ',' or": "expected a comma, or the bracket that closes the one on line {line}",
    "expected the node": "a value is missing here",
    "expected '<document": "this is outside of what stands before; check brackets and indentation",
    "sequence entries": "no '- ' is expected here; put the list on the lines below its key",
    "expected <block": "this does not fit what starts on line {line}; check the indentation",
}
_PHRASES = (  # for messages of pydantic that tell what was expected
    (r"Input should be a valid integer.*", "a whole number"),
    (r"Input should be a valid boolean.*", "true or false"),
    (r"Input should be a valid string.*", "a text"),
    (r"Input should be a valid tuple", "a list"),
    (r"Input should be (?:a valid dictionary|an object).*", "a mapping"),
    (r"Input should be ((?:greater|less) than .*)", r"a number \1"),
    (r"Input should be (an? )?(?:valid )?(.*)", r"\1\2"),
    (r"Tuple should have at least (\d+) items?.*", r"a list of at least \1"),
    (r"Tuple should have .* (\d+) items?.*", r"a list of \1 values"),
    (r"List should have (.*) items?.*", r"a list of \1 values"),
    (r"Unable to extract tag using discriminator (.*)", r"missing key \1"),
    (r"Input tag (.*) found using (.*) does not .* tags: (.*)", r"\2 is \1; expected one of \3"),
    (r"String should (?:have|match) (.*)", r"a text of \1"),
)


class Problem(NamedTuple):
    """One thing that is wrong: where it stands, the path of its key, and a sentence."""

    where: str
    path: str
    message: str


class ScenarioError(Exception):
    """A scenario that cannot be used; its text is one line per problem, in their order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = dict.fromkeys(problems)  # sorted below with line 10 after line 9
        self.problems = sorted(found, key=lambda p: [part.rjust(9) for part in p.where.split(":")])
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(": ".join(filter(None, problem)) for problem in self.problems)


@dataclass(slots=True)
class _Node:
    """A value with its position and that of its key; in a list both are the entry's."""

    content: Any
    at: str
    key: str

    def plain(self) -> Any:
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        return [n.plain() for n in self.content] if isinstance(self.content, list) else self.content


@dataclass(frozen=True)
class Document:
    """A scenario as plain Python values, without `base`, that knows where each key was written."""

    value: dict[str, Any]
    source: Path
    text: str
    _root: _Node = field(repr=False, compare=False)

    def where(self, path: Path_) -> str:
        """Return ``file:line:column``, or ``--set a.b``, of a key or the nearest one above it."""
        return self._find(path)[1].key

    def _find(self, path: Path_, skip: bool = False) -> tuple[Path_, _Node]:
        """Follow a path to its end, stopping at steps that are not in the file or skipping them."""
        node, steps = self._root, Path_()
        for step in path:
            try:
                below = node.content[step]
            except (LookupError, TypeError):
                below = None
            if isinstance(below, _Node):
                node, steps = below, (*steps, step)
            elif not skip:
                break
        return steps, node


class _Scanner(Scanner):
    """Refuses at once what is not used here; some of it would cost the scanner quadratic time."""

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:
        if self.flow_level >= _DEPTH:
            raise MarkedYAMLError(problem=_TOO_DEEP, problem_mark=self.reader.get_mark())
        super().fetch_flow_collection_start(TokenClass, to_push)

    def _refuse(self) -> None:
        sign = self.reader.peek()
        what = {"&": "anchors", "*": "aliases", "!": "tags", "%": "directives"}[sign]
        message = f"{what} ({sign}) are not used here; put text that starts so in quotes"
        raise MarkedYAMLError(problem=message, problem_mark=self.reader.get_mark())

    fetch_anchor = fetch_alias = fetch_tag = fetch_directive = _refuse


def _events(data: bytes | str) -> Iterator[Any]:
    text = data if isinstance(data, str) else data.decode("utf-8-sig", "surrogateescape")
    if odd := _CONTROL.search(text):
        line, start = text.count("\n", 0, odd.start()), text.rfind("\n", 0, odd.start()) + 1
        mark = StreamMark(None, odd.start(), line, odd.start() - start)
        message = f"the control character {ascii(odd[0])} is not allowed"
        if "\udc80" <= odd[0] <= "\udcff":  # how Python hands on bytes that are no text
            message = "this is no UTF-8 text; save the file as UTF-8"
        raise MarkedYAMLError(problem=message, problem_mark=mark)
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _Scanner
    yield from yaml.parse(text)


def _scalar(text: str) -> str | float | bool | None:
    """Return what an unquoted scalar means, or raise `Invalid` for a number that is a trap."""
    if text in _WORDS:
        return _WORDS[text]
    value = float(text) if _FLOAT.fullmatch(text) else text
    if _NO_NUMBER.fullmatch(text) or value in (float("inf"), -float("inf")):
        raise Invalid(f"{_shown(text)} is no finite number; the largest are near 1.8e308")
    if re.fullmatch("[-+]?0[0-9]+", text):
        raise Invalid(f"{_shown(text)} has a leading zero; drop it, or put the text in quotes")
    if _INTEGER.fullmatch(text):
        # Twenty digits are beyond the limit in any case, and int() of thousands of them raises.
        number = int(text, 0) if len(text) < 20 or text[0] == "0" else 2**63
        if not -(2**63) <= number < 2**63:
            raise Invalid(f"{_shown(text)} is beyond 2^63, the limit of whole numbers")
        return number
    return value


def _content(event: Any, depth: int) -> Any:
    if not isinstance(event, ev.ScalarEvent):
        if depth > _DEPTH:
            raise Invalid(_TOO_DEEP)
        return {} if isinstance(event, ev.MappingStartEvent) else []
    if len(event.value) > _SCALAR:
        raise Invalid(f"this text is too long; at most {_SCALAR} characters are read")
    if odd := _CONTROL.search(event.value):
        raise Invalid(f"the control character {ascii(odd[0])} is not allowed")
    if event.value == "<<" and not event.style:
        raise Invalid("merge keys (<<) are not used here; write the keys out")
    return event.value if event.style else _scalar(event.value)


def _compose(data: bytes | str, place: Callable[[Any], str], path: Path_ = ()) -> _Node:
    """Return the nodes of a text, or raise the one problem that stops the reading."""
    mark, count = StreamMark(None, 0, 0, 0), 0
    # The document is the entry of a list, so that a second document is an entry too many.
    top = _Node([], "", "")
    stack: list[tuple[_Node, list[Any]]] = [(top, [])]  # what is open, and its waiting key
    try:
        for event in _events(data):
            if isinstance(event, ev.CollectionEndEvent):
                stack.pop()
            elif isinstance(event, ev.NodeEvent):
                mark, count = event.start_mark, count + 1
                if count > _NODES:
                    raise Invalid(f"there are too many values; at most {_NODES} are read")
                content = _content(event, len(path) + len(stack))
                (holder, key), node = stack[-1], _Node(content, at := place(mark), at)
                if isinstance(holder.content, list):
                    if holder is top and top.content:
                        raise Invalid("a second document starts here; a scenario is a single one")
                    holder.content.append(node)
                elif key:
                    node.key = place(key[1])
                    # A value on the lines below its key, or none at all, is best found by its key.
                    if content is None or mark.line != key[1].line:
                        node.at = node.key
                    holder.content[key[0]] = node
                    key.clear()
                elif not isinstance(content, str):
                    raise Invalid("keys are texts; put a number or null that is one in quotes")
                elif twin := holder.content.get(content):
                    raise Invalid(f"the key '{_shown(content)}' stands twice, first at {twin.key}")
                else:
                    key += [content, mark]
                if isinstance(content, dict | list):
                    stack.append((node, []))
    except Invalid as problem:
        message = problem.message
    except MarkedYAMLError as error:
        mark, message = error.problem_mark or error.context_mark, str(error.problem)
        message = next((s for part, s in _SENTENCES.items() if part in message), message)
        message = message.replace("{line}", str((error.context_mark or mark).line + 1))
    except (YAMLError, LookupError, OverflowError, ValueError):
        message = "this is no YAML"  # what the parser makes of "\UFFFFFFFF", say
    else:
        return top.content[0] if top.content else _Node(None, at := place(mark), at)
    raise ScenarioError([Problem(place(mark), _dotted(path), message)])


def value(text: str, name: str) -> Any:
    """Return what a text that is called by a name means in YAML, or raise `ScenarioError`."""
    return _compose(text, lambda _: name).plain()


def read(source: Path, overrides: Sequence[str] = ()) -> Document:
    """Read a scenario: its bases, the file itself, then overrides ``key.path=value`` (in YAML).

    The later of these wins key by key; lists are replaced whole and their entries numbered from 0.
    Raises `ScenarioError` for whatever is wrong with files or overrides, and never anything else.
    """
    root, text = _tree(Path(source), Problem(_shown(str(source), 999), "", ""), ())
    problems: list[Problem] = []
    for assignment in overrides:
        name = _shown(assignment.partition("=")[0].strip(), 200)
        try:
            _override(root, assignment, f"--set {name}")
        except (Invalid, ScenarioError) as error:
            problems += getattr(error, "problems", [Problem(f"--set {name}", name, str(error))])
    if problems:
        raise ScenarioError(problems)
    return Document(root.plain(), Path(source), text, root)


def _tree(file: Path, asked: Problem, above: tuple[Path, ...]) -> tuple[_Node, str]:
    """Return the nodes of a file upon those of its base, and its text."""
    name = _shown(str(file), 999)
    try:
        data = _load(file, name)
        if file in above or len(above) > _BASES:
            raise Invalid(f"the bases stand more than {_BASES} deep, or one upon itself")
        asked = Problem(f"{name}:1:1", "", "")
        tree = _compose(data, lambda mark: f"{name}:{mark.line + 1}:{mark.column + 1}")
        if not isinstance(tree.content, dict):
            raise Invalid(f"expected a mapping of keys, found {_found(tree.plain())}")
        base = tree.content.pop("base", None)
        if base is not None:
            asked = Problem(base.key, "base", "")
            if not isinstance(base.content, str):
                raise Invalid(f"expected the name of a file, found {_found(base.plain())}")
            tree = _merged(_tree(file.parent / base.content, asked, (*above, file))[0], tree)
    except Invalid as problem:
        raise ScenarioError([asked._replace(message=problem.message)]) from None
    return tree, data.decode("utf-8-sig")


def _load(file: Path, name: str) -> bytes:
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        # Opening a pipe would wait for its writer, and opening a device can set it going.
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError(0, "it is no file but a folder, a pipe or a device")
        with open(file, "rb", opener=lambda path, mode: os.open(path, mode | flags)) as stream:
            data: bytes = stream.read(_BYTES + 1) or b""
        if len(data) > _BYTES:
            raise OSError(0, "it is larger than 1 MiB, the limit for a scenario")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise Invalid(f"'{name}' cannot be read: {reason}") from None
    return data


def _merged(base: _Node, own: _Node) -> _Node:
    if not (isinstance(base.content, dict) and isinstance(own.content, dict)):
        return own
    both = base.content.keys() & own.content.keys()
    merged = {key: _merged(base.content[key], own.content[key]) for key in both}
    return _Node({**base.content, **own.content, **merged}, own.at, own.key)


def _override(root: _Node, assignment: str, where: str) -> None:
    name, equals, value = assignment.partition("=")
    steps = name.strip().split(".")
    if not equals or not all(steps) or len(steps) > _DEPTH:
        raise Invalid("expected key.path=value, such as grid.shape=[64, 64]")
    new, node, listed = _compose(value, lambda _: where, tuple(steps)), root, False
    for depth, step in enumerate(steps):
        if node.content is None:
            node.content = {}
        elif listed and isinstance(node.content, str):
            node.content = {"kind": _Node(node.content, node.at, node.key)}
        inside, path = node.content, _dotted(tuple(steps[:depth]))
        if not isinstance(inside, dict | list):
            raise Invalid(f"{path} is {_found(inside)} and holds no '{_shown(step)}'")
        listed = isinstance(inside, list)
        if listed and not (re.fullmatch("[0-9]{1,5}", step) and int(step) < len(inside)):
            raise Invalid(f"{path} has {len(inside)} entries from 0 on, none is '{_shown(step)}'")
        key: Any = int(step) if listed else step
        if depth == len(steps) - 1:
            inside[key] = new
        elif key not in inside and not listed:
            inside[key] = _Node(None, where, where)
        node = inside[key]


def placed(document: Document, path: str, value: Any, where: str) -> Document:
    """Return a document with a value at a path, or raise `ScenarioError`; errors tell `where`."""
    root = copy.deepcopy(document._root)
    try:
        _override(root, f"{path}={json.dumps(value)}", where)
    except Invalid as problem:
        raise ScenarioError([Problem(where, path, problem.message)]) from None
    return replace(document, value=root.plain(), _root=root)


def explain(
    error: ValidationError | Invalid | Sequence[Invalid],
    document: Document,
    known: Callable[[Path_], Sequence[str]],
) -> ScenarioError:
    """Return what validation of `document.value` found wrong, in words for who wrote the scenario.

    `known` gives the keys allowed at a path. The choices of a union are told in one sentence.
    """
    problems: list[Problem] = []
    wanted: dict[Path_, tuple[Any, list[str]]] = {}
    inner: set[Path_] = set()  # paths below which something is wrong

    def tell(path: Path_, message: str, by_key: bool = False) -> None:
        node = document._find(path)[1]
        problems.append(Problem(node.key if by_key else node.at, _dotted(path), message))

    if not isinstance(error, ValidationError):
        for invalid in [error] if isinstance(error, Invalid) else error:
            tell(invalid.path, invalid.message)
        return ScenarioError(problems)
    items = error.errors(include_url=False)
    lists = {item["loc"][:-1] for item in items}  # where entries that are wrong were not counted
    for item in (one for one in items if one["type"] != "too_short" or one["loc"] not in lists):
        kind, loc, message = item["type"], item["loc"], item["msg"]
        path = document._find(loc[:-1] if kind == "missing" else loc, skip=True)[0]
        inner.update(path[:end] for end in range(len(path)))
        phrase = next((m.expand(w) for p, w in _PHRASES if (m := re.fullmatch(p, message))), None)
        if kind == "missing" and isinstance(loc[-1], int):
            wanted[path] = item["input"], [f"a list of {loc[-1] + 1} values"]
        elif kind == "missing":
            inner.add(path)
            tell(path, f"missing key '{_shown(str(loc[-1]))}'", by_key=True)
        elif kind == "extra_forbidden":
            name, keys = str(loc[-1]), known(path[:-1])
            known_here = f"{_guess(name, keys) or ';'} known here: {', '.join(keys) or 'none'}"
            tell(path, f"unknown key '{_shown(name)}'{known_here}", by_key=True)
        elif phrase and not kind.startswith("union_tag"):
            wanted.setdefault(path, (item["input"], []))[1].append(phrase)
        else:
            path += getattr(item.get("ctx", {}).get("error"), "path", ())  # of an Invalid
            tell(path, phrase or re.sub("^(Value error|Assertion failed), ", "", message))
    for path, (value, phrases) in wanted.items():
        if path in inner and isinstance(value, dict | list | tuple):
            continue  # with an error inside, it need not be told that a number would do as well
        *others, last = dict.fromkeys(phrases)
        wish = f"{', '.join(others)} or {last}" if others else last
        if isinstance(value, list | tuple) and all(type(v) in (int, float) for v in value):
            wish = wish.replace("values", "numbers")
        near = _guess(value, re.findall("'([^']+)'", wish)) if isinstance(value, str) else ""
        tell(path, f"expected {wish}, found {_found(value)}{near}")
    return ScenarioError(problems)
