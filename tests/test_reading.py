"""What may stand in a scenario file, where problems are said to be, and in which words."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from diffusim.block import Invalid
from diffusim.reading import Document, Path_, ScenarioError, explain, read

AQUARIUM = """\
diffusim: 1                     # format version
title: Salt aquarium set in gel, one wall lifted
grid:
  shape: [256, 256]
  size: [0.256 m, 0.256 m]
  edges: no-flux
propagator:
  kind: diffusion
  diffusivity: 1.5e-9 m^2/s
  walls: [{axis: x, at: 0.128 m, opens: 0 s}]
field: {name: concentration, unit: g/L}
initial: {kind: halves, axis: x, values: [35.0, 0.0]}
times: {stop: 60 day, frames: 61, spacing: quadratic}
methods: [ftcs, modes, {kind: walkers, particles: 1e6}]
reference: modes
seed: 1
expect: {ftcs: {l2: 1e-4}}
"""


@dataclass
class Files:
    """A folder to write scenarios in, whose name is left out of what errors say."""

    folder: Path

    def read(self, content: str | bytes, *overrides: str, name: str = "s.yaml") -> Document:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read(path, overrides)

    def refusal(self, content: str | bytes, *overrides: str) -> str:
        with pytest.raises(ScenarioError) as caught:
            self.read(content, *overrides)
        return self.short(caught.value)

    def short(self, said: object) -> str:
        return str(said).replace(f"{self.folder}{os.sep}", "")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_aquarium_is_read_as_it_is_written(files: Files) -> None:
    document = files.read("\ufeff" + AQUARIUM)
    assert list(document.value)[:3] == ["diffusim", "title", "grid"]
    assert document.value["propagator"]["walls"] == [{"axis": "x", "at": "0.128 m", "opens": "0 s"}]
    assert document.value["methods"] == ["ftcs", "modes", {"kind": "walkers", "particles": 1e6}]
    assert document.text == AQUARIUM


TEXTS = ("12:30:45", "2024-01-31", "1_000", "0b11", "1,5", "yes", "no", "on", "off", "y", "True",
         "NULL", "nan", "inf", "1.5e-9 m^2/s", "e5", ".", "<b")  # fmt: skip
SCALARS: dict[str, Any] = {
    "1e-3": 1e-3, "1E-9": 1e-9, "1e+3": 1000.0, "1e6": 1e6, ".5": 0.5, "5.": 5.0, "-1e-9": -1e-9,
    "+7": 7, "-0": 0, "0": 0, "0.0": 0.0, "0x1F": 31, "0o17": 15, "9223372036854775807": 2**63 - 1,
    "true": True, "false": False, "null": None, "~": None, "": None, '""': "", "''": "",
    "-": [None], '"1e-3"': "1e-3", "'true'": "true", "'~'": "~", '"012"': "012", '"\\u00e9"': "é",
    "|\n   01": "01\n", ">-\n   1\n   2": "1 2",
    **{text: text for text in TEXTS},
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_means_what_the_core_schema_says(files: Files, text: str) -> None:
    value = files.read(f"a:\n  {text}\n").value["a"]
    assert (type(value), value) == (type(SCALARS[text]), SCALARS[text])


BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: *a{i - 1}, k{i}: *a{i - 1}}}\n" for i in range(1, 24)
)
REFUSED: dict[str, dict[str | bytes, str]] = {
    "is no finite number": {"a: .nan": "1:4", "a: [1, -.Inf]": "1:8", "a: 1e999": "1:4",
                              "a: " + "9" * 9000: "1:4"},
    "has a leading zero; drop it": {"a: 012": "1:4", "a: -007": "1:4", "a: [1, 00]": "1:8"},
    "is beyond 2^63": {"a: 9223372036854775808": "1:4", "a: 0x" + "f" * 20: "1:4"},
    "the key 'b' stands twice, first at s.yaml:1:2": {"{b: 1, b: 2}": "1:8", " b:\n b: 1": "2:2"},
    "keys are texts": {"1: a": "1:1", "a: {~: 1}": "1:5", "true: 1": "1:1", "? [a]\n: b": "1:3",
                       "{{a: 1}: b}": "1:2", "a: {: 1}": "1:6"},
    "merge keys (<<) are not used here": {"a:\n  <<: {b: 1}": "2:3"},
    "anchors (&) are not used here": {"a: &x 1": "1:4", "&x a: 1": "1:1", BOMB: "1:5"},
    "aliases (*) are not used here": {"a: 1\nb: *x": "2:4"},
    "tags (!) are not used here": {"a: !!python/object:os ls": "1:4", "!" + "t" * 10**6: "1:1"},
    "directives (%) are not used here": {"%YAML 1.1\n---\na: 1": "1:1"},
    "a second document starts here": {"a: 1\n---\nb: 2": "3:1", "a: 1\n...\nb": "3:1"},
    "this is outside of what stands before": {"{a: 1}\n]": "2:1"},
    "a tab stands here; YAML is indented with spaces": {"a:\n\tb: 1": "2:1", "\ta: 1": "1:1"},
    "the control character": {'a: "x\x01"': "1:6", 'b: "\\e[31m"': "1:4", 'a: "\\ud800"': "1:4",
                              "a: 1\r\n\0": "2:1", "a: \x9b": "1:4"},
    "this is no UTF-8 text": {b"a: 1\nb: f\xfcr": "2:5", "a: 1".encode("utf-16"): "1:1",
                              b"\x89PNG\r\n\x1a\n" + bytes(99): "1:1"},
    "found unknown escape character 'd'": {'a: "C:\\data"': "1:8"},
    "expected a comma, or the bracket that closes the one on line 1": {"a: [1\nb: 3": "2:2"},
    "the quote opened on line 1 is never closed": {'a: "x\nb: 1': "2:5", "a: 'x": "1:6"},
    "a value is missing here": {"a: [1,, 2]": "1:7"}, "no value starts with this": {"a: @x": "1:4"},
    "no ':' is expected here": {"a: b: c": "1:5", "a: 1\n  b: 2": "2:4"},
    "a ':' is missing after the key on line 2": {"a: 1\nbc\nd: 2": "3:1"},
    "no '- ' is expected here": {"a: - b": "1:4"}, "this is no YAML": {'a: "\\UFFFFFFFF"': "1:1"},
    "this does not fit what starts on line 1": {"a:\n    b: 1\n  c: 2": "3:3", "a: 'it's'": "1:8"},
    "this is nested too deeply; at most 16": {
        "a: " + "[" * 100_000: "1:20", "{a: " * 100_000: "1:65", "[a," * 100_000: "1:49",
        "- " * 100_000: "1:33", "".join(" " * i + "a:\n" for i in range(99)): "17:17"},
    "there are too many values; at most 20000": {"a: [" + "1," * 20_000 + "]": "1:39999"},
    "this text is too long; at most 10000": {"a: " + "x" * 10_001: "1:4"},
    "expected a mapping of keys, found": {"": "1:1", "# a": "1:1", "---": "1:1", "[1]": "1:1"},
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_hostile_text_is_one_problem_with_its_place(files: Files, sentence: str) -> None:
    """Each takes below a second of processor time; 5 s leave room for busy machines."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content, place in REFUSED[sentence].items():
        start = time.process_time()
        refusal = files.refusal(content)
        assert time.process_time() - start < 5.0
        assert refusal.startswith(f"s.yaml:{place}: ")
        assert sentence in refusal
        assert "\n" not in refusal
        assert len(refusal) < 200
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 300e6


def test_limits_are_met_exactly(files: Files) -> None:
    assert files.read("a: " + "[" * 15 + "]" * 15).value
    assert "nested too deeply" in files.refusal("a: " + "[" * 16 + "]" * 16)
    assert len(files.read("a: [" + "1," * 19_997 + "]").value["a"]) == 19_997
    assert "too many values" in files.refusal("a: [" + "1," * 19_998 + "]")
    assert files.read("a: " + "x" * 10_000).value
    assert files.read("a: 1 #".ljust(2**20, "x")).value == {"a": 1}
    assert "larger than 1 MiB" in files.refusal("a: 1 #".ljust(2**20 + 1, "x"))


def test_what_is_no_readable_file_is_one_sentence_without_waiting(files: Files) -> None:
    os.mkfifo(files.folder / "pipe")
    (files.folder / "link").symlink_to("link")
    odd = ("/dev/zero", "/dev/tty", "absent", "s\0", "\ud800", "n" * 5000, "pipe", "link", "")
    for name in odd:
        with pytest.raises(ScenarioError, match="cannot be read: "):
            read(files.folder / name)


# --- positions, bases, overrides ----------------------------------------------------------------


def test_every_key_and_entry_has_its_position(files: Files) -> None:
    document = files.read(AQUARIUM)
    places: dict[Path_, str] = {
        ("title",): "2:1", ("grid", "size"): "5:3", ("grid", "size", 1): "5:19",
        ("propagator", "walls", 0, "at"): "10:21", ("methods", 0): "14:11", ("methods", 2): "14:24",
        ("methods", 2, "particles"): "14:40", ("grid", "absent", "shape"): "3:1",
        ("methods", 0, "kind"): "14:11", ("methods", 9): "14:1", ("absent",): "1:1", (): "1:1",
    }  # fmt: skip
    assert {p: files.short(document.where(p)).removeprefix("s.yaml:") for p in places} == places


def test_a_base_is_extended_and_its_keys_keep_their_place(files: Files) -> None:
    (files.folder / "sub").mkdir()
    files.read(AQUARIUM, name="base.yaml")
    files.read("base: ../base.yaml\ngrid:\n  edges: periodic\nseed: 2\n", name="sub/middle.yaml")
    own = "base: sub/middle.yaml\ngrid: {shape: [8]}\nmethods:\n- adi\n"
    document = files.read(own, "seed=3")
    grid = {"shape": [8], "size": ["0.256 m", "0.256 m"], "edges": "periodic"}
    changed = {"grid": grid, "methods": ["adi"], "seed": 3}
    assert document.value == {**files.read(AQUARIUM).value, **changed}
    places: dict[Path_, str] = {
        ("grid",): "s.yaml:2:1", ("grid", "shape", 0): "s.yaml:2:16", ("seed",): "--set seed",
        ("grid", "edges"): "sub/middle.yaml:3:3", ("grid", "size", 1): "sub/../base.yaml:5:19",
        ("methods", 2): "s.yaml:3:1",
    }  # fmt: skip
    assert {path: files.short(document.where(path)) for path in places} == places


def test_bases_that_cannot_be_used_are_told_at_the_key_that_names_them(files: Files) -> None:
    assert files.refusal("a: 1\nbase: no").startswith("s.yaml:2:1: base: 'no' cannot be read: No")
    assert files.refusal("base: 3") == "s.yaml:1:1: base: expected the name of a file, found 3"
    assert "found nothing" in files.refusal("base:")
    assert "folder" in files.refusal("base: .")
    assert "upon itself" in files.refusal("base: s.yaml")
    (files.folder / "other.yaml").write_text("base: s.yaml")
    assert files.refusal("base: other.yaml").startswith("other.yaml:1:1: base: the bases stand")
    (files.folder / "wrong.yaml").write_text("a: 012")
    assert files.refusal("base: wrong.yaml").startswith("wrong.yaml:1:4: 012 has")


def test_eight_bases_are_read_and_nine_refused(files: Files) -> None:
    files.read("k8: 1", name="8.yaml")
    for level in reversed(range(8)):
        document = files.read(f"base: {level + 1}.yaml\nk{level}: 1", name=f"{level}.yaml")
    assert len(document.value) == 9
    assert "more than 8 deep" in files.refusal("base: 0.yaml")


def test_overrides_set_keys_entries_and_options_of_bare_words(files: Files) -> None:
    sets = ("grid.shape=[64, 32]", "methods.0.dt=1e-3", "methods.2.particles=10", "new.deep.key=on",
            "times= {stop: 1 h}", "seed=", "title='a=b: c'", "methods.1 = adi")  # fmt: skip
    document = files.read(AQUARIUM, *sets)
    methods = [{"kind": "ftcs", "dt": 1e-3}, "adi", {"kind": "walkers", "particles": 10}]
    assert document.value["grid"]["shape"] == [64, 32]
    changed = {"methods": methods, "new": {"deep": {"key": "on"}}, "times": {"stop": "1 h"},
               "seed": None, "title": "a=b: c", "grid": document.value["grid"]}  # fmt: skip
    assert document.value == {**files.read(AQUARIUM).value, **changed}
    assert document.where(("grid", "shape", 1)) == "--set grid.shape"
    assert document.where(("methods", 0, "dt")) == "--set methods.0.dt"
    assert document.where(("methods", 0, "kind")).endswith("s.yaml:14:11")
    assert document.where(("new", "deep")) == "--set new.deep.key"


NO_OVERRIDES = {
    "grid.shape": "expected key.path=value, such as grid.shape=[64, 64]", "=3": "expected key.path",
    "a..b=3": "expected key.path=value", "a" + ".b" * 16 + "=1": "expected key.path=value",
    "title.x=3": "title is the text 'Salt aquarium", "seed.x=3": "seed is 1 and holds no 'x'",
    "methods.3=adi": "methods has 3 entries from 0 on, none is '3'",
    "methods.-1=adi": "methods has 3 entries", "methods.x.y=adi": "methods has 3 entries",
    "seed=012": "012 has a leading zero", "seed=[1": "expected a comma, or the bracket",
    "seed=&x 1": "anchors (&) are not used here", "seed=\udc80": "this is no UTF-8 text",
    "a.b=" + "[" * 15 + "]" * 15: "this is nested too deeply",
}  # fmt: skip


def test_overrides_that_cannot_be_used_are_told_in_sentences_at_once(files: Files) -> None:
    lines = files.refusal(AQUARIUM, *NO_OVERRIDES, "title=fine").splitlines()
    assert len(lines) == len(NO_OVERRIDES)
    for wrong, sentence in NO_OVERRIDES.items():
        name = wrong.partition("=")[0]
        told = f"--set {name}: {name}: {sentence}" if name else f"--set : {sentence}"
        assert any(line.startswith(told) for line in lines)


# --- explanations -------------------------------------------------------------------------------


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _even(value: Any) -> Any:
    if value in (3, 102):
        raise Invalid("too fine", "deeper", 0) if value > 3 else ValueError("expected even numbers")
    return value


Positive, AtMost100 = Annotated[float, Field(gt=0)], Annotated[int, Field(le=100)]
Ftcs = create_model("Ftcs", __base__=Strict, kind=Literal["ftcs"], dt=Positive)
Walkers = create_model("W", __base__=Strict, kind=Literal["walkers"], particles=(AtMost100, 1))
PerAxis = create_model("PerAxis", __base__=Strict, x=float, y=float)


class Scenario(Strict):
    length: float = 1.0
    shape: Annotated[tuple[int, int], Field(strict=False)] = (1, 1)
    fast: bool = False
    title: Annotated[str, Field(max_length=5)] = ""
    spacing: Literal["linear", "quadratic"] = "linear"
    cells: Annotated[int, BeforeValidator(_even)] = 2
    diffusivity: float | PerAxis = 1.0
    walls: Annotated[list[float], Field(min_length=2)] = [0.0, 0.0]
    methods: list[Annotated[Ftcs | Walkers, Field(discriminator="kind")]]


def _known(path: Path_) -> list[str]:
    return list((Scenario, PerAxis, Walkers)[len(path)].model_fields)


def _told(files: Files, text: str, *overrides: str) -> list[str]:
    document = files.read(text, *overrides)
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(document.value)
    return files.short(explain(caught.value, document, _known)).splitlines()


TOLD = {
    "lenght: 2": "1: lenght: unknown key 'lenght'; did you mean 'length'? known here: length",
    "zzz: 2": "1: zzz: unknown key 'zzz'; known here: length, shape, fast",
    "length: abc": "9: length: expected a number, found the text 'abc'",
    "length:": "1: length: expected a number, found nothing",
    "length: {x: 1}": "9: length: expected a number, found a mapping",
    "cells: 3": "8: cells: expected even numbers", "cells: 102": "8: cells.deeper.0: too fine",
    "cells: 0.5": "8: cells: expected a whole number, found 0.5",
    "shape: [64]": "8: shape: expected a list of 2 numbers, found a list of 1",
    "shape: [1, 2, 3]": "8: shape: expected a list of 2 numbers, found a list of 3",
    "shape: true": "8: shape: expected a list, found true",
    "shape: [8, x]": "12: shape.1: expected a whole number, found the text 'x'",
    "walls: [1]": "8: walls: expected a list of at least 2 numbers, found a list of 1",
    "fast: yes": "7: fast: expected true or false, found the text 'yes'",
    "title: 3": "8: title: expected a text, found 3",
    "title: longer": "8: title: expected a text of at most 5 characters, found the text 'longer'",
    "spacing: line": "10: spacing: expected 'linear' or 'quadratic', found the text 'line'; did you"
                     " mean 'linear'?",
    "diffusivity: D": "14: diffusivity: expected a number or a mapping, found the text 'D'",
    "diffusivity: {x: 1.0}": "1: diffusivity: missing key 'y'",
    "diffusivity: {x: a, y: 1}": "18: diffusivity.x: expected a number, found the text 'a'",
    "diffusivity: {x: 1, y: 1, z: 1}": "27: diffusivity.z: unknown key 'z'; known here: x, y",
    "methods: [3]": "11: methods.0: expected a mapping, found 3",
    "methods: [{kind: ftcs}]": "11: methods.0: missing key 'dt'",
    "methods: [{dt: 1}]": "11: methods.0: missing key 'kind'",
    "methods: [{kind: f}]": "11: methods.0: 'kind' is 'f'; expected one of 'ftcs', 'walkers'",
    "methods: [{kind: ftcs, dt: -1}]": "28: methods.0.dt: expected a number greater than 0, found",
    "methods: [{kind: walkers, particles: 101}]": "38: methods.0.particles: expected a number less"
                                                  " than or equal to 100, found 101",
    "methods: [{kind: walkers, particle: 5}]": "27: methods.0.particle: unknown key 'particle'; did"
                                               " you mean 'particles'? known here: kind, particles",
}  # fmt: skip


@pytest.mark.parametrize("text", TOLD)
def test_validation_is_told_in_the_words_of_who_wrote_it(files: Files, text: str) -> None:
    rest = "" if text.startswith("methods") else "\nmethods: []"
    (line,) = _told(files, text + rest)
    assert line.startswith(f"s.yaml:1:{TOLD[text]}")
    for jargon in ("Input should", "http", "Value error", "valid ", "tuple", "dictionary"):
        assert jargon not in line


def test_a_missing_key_stands_at_its_parent(files: Files) -> None:
    assert _told(files, "# none\nlength: 1") == ["s.yaml:2:1: missing key 'methods'"]
    text = "methods:\n- kind: ftcs\n  dt: 1\n- kind: ftcs\n"
    assert _told(files, text) == ["s.yaml:4:3: methods.1: missing key 'dt'"]


def test_all_problems_come_at_once_in_the_order_of_the_file(files: Files) -> None:
    text = "\n" * 8 + "title: 1\nfast: 2\nmethods:\n- {kind: ftcs, dt: 0}\nzz: 1\n"
    places = [line.split(" ")[0] for line in _told(files, text, "length=x")]
    assert places == ["--set", *(f"s.yaml:{p}:" for p in ("9:8", "10:7", "12:20", "13:1"))]


def test_problems_in_bases_and_overrides_are_told_where_they_were_written(files: Files) -> None:
    files.read("length: abc\nmethods: []", name="base.yaml")
    first, second = _told(files, "base: base.yaml", "shape=[1]")
    assert first == "--set shape: shape: expected a list of 2 numbers, found a list of 1"
    assert second == "base.yaml:1:9: length: expected a number, found the text 'abc'"


def test_invalid_values_found_later_are_told_at_their_path(files: Files) -> None:
    document = files.read(AQUARIUM)
    found = [Invalid("too long", "methods", 0, "dt"), Invalid("too large", "grid", "shape", 1)]
    told = files.short(explain(found, document, _known)).splitlines()
    assert told == ["s.yaml:4:16: grid.shape.1: too large", "s.yaml:14:11: methods.0.dt: too long"]
    assert files.short(explain(found[1], document, _known)) == told[0]


PIECES = [piece.encode("latin-1") for piece in (
    "[", "]", "{", "}", ": ", "- ", "\n", "  ", "\t", "&a", "*a", "!t", "<<", "---\n", "'", '"',
    "|", ">", "%", "@", "#", "? ", ",", "\\", "\0", "\xff", "\xef\xbb\xbf", "~", "012", ".nan",
    "1e999", "\r", "\xe2\x80\xa8", "\\ud800", "\\UFFFFFFFF", "base: fuzz.yaml\n",
)]  # fmt: skip


def _mutated(edits: list[tuple[int, bytes | int]]) -> bytes:
    content = bytearray(AQUARIUM.encode())
    for place, edit in edits:
        inserted, end = (edit, place) if isinstance(edit, bytes) else (b"", place + edit)
        content[place:end] = inserted
    return bytes(content)


EDIT = st.tuples(st.integers(0, len(AQUARIUM)), st.sampled_from(PIECES) | st.integers(1, 20))
BYTES = st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
SETS = st.sampled_from(["", "a.0=", "methods.0.dt="])


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.proof)])
def test_only_scenario_errors_come_out_of_any_bytes(tmp_path: Path, count: int) -> None:
    """The examples are the same in every run, so a failure is never chance."""

    @settings(max_examples=count, derandomize=True, deadline=None, database=None)
    @given(BYTES | st.lists(EDIT, max_size=4).map(_mutated), SETS, BYTES)
    def all_survive(content: bytes, path: str, value: bytes) -> None:
        (tmp_path / "fuzz.yaml").write_bytes(content)
        with contextlib.suppress(ScenarioError):
            document = read(tmp_path / "fuzz.yaml", [path + value.decode("utf-8", "replace")])
            json.dumps(document.value, allow_nan=False)  # raises unless plain and finite

    all_survive()
