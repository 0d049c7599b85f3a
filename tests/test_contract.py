"""Every method keeps the contract, and the contract rejects those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy import linalg

from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.methods import Method, Plan
from diffusim.methods.chebyshev import Chebyshev
from diffusim.methods.ftcs import Ftcs
from diffusim.methods.modes import Modes
from diffusim.methods.walkers import Walkers
from diffusim.propagators import Propagator
from diffusim.runs import plan, traits_of
from diffusim.segment import Segment
from diffusim.testing import Problem, contract, counts_p_value, lattice_truth, problems
from diffusim.testing.contract import Trial, by_scheme, turned

# What other tests bring while these run is not theirs to judge.
BUILT_IN = [
    found
    for _, found in Method.everyone()
    if not isinstance(found, Unsupported) and found.__module__.startswith("diffusim.methods.")
]
BY_NAME = {problem.name: problem for problem in problems()}


def variants() -> list[Method]:
    """Every method with its defaults, and with each of the limits it can be asked for."""
    found: list[Method] = []
    for method in BUILT_IN:
        field = method.model_fields.get("limit")
        limits = get_args(field.annotation) if field else (None,)
        found += [method(limit=limit) if limit else method() for limit in limits]  # type: ignore[call-arg]
    return found


def named(method: Method) -> str:
    return f"{method.word}-{method.limit}"


def explicit_steps(matrix: Array, u: Array, steps: int, dt: float) -> Array:
    return np.asarray(np.linalg.matrix_power(np.eye(u.size) + dt * matrix, steps) @ u)


@pytest.mark.parametrize("method", variants(), ids=named)
def test_every_method_keeps_the_contract(method: Method) -> None:
    """A false alarm of the statistical ones: below 1e-4 had the seed not been fixed."""
    found = contract(method, scheme=explicit_steps if isinstance(method, Ftcs) else None)
    assert len(found) == len(BY_NAME)


@pytest.mark.interpreted
@pytest.mark.parametrize("name", ["cells that are not square, prime numbers of them",
                                  "a gap opened half-way", "periodic along both"])  # fmt: skip
@pytest.mark.parametrize("method", [Ftcs(), Chebyshev()], ids=named)
def test_sweeps_meet_the_oracle_compiled_or_not(method: Method, name: str, tmp_path: Path) -> None:
    problem = BY_NAME[name]
    trial = Trial(method, problem, problem.propagator(tmp_path), None)
    u = problem.field()
    exact = by_scheme(trial, explicit_steps, u) if method.order else lattice_truth(problem, u)
    for frame, wanted in zip(trial.frames(u), exact, strict=True):
        trial.meet(frame.field, wanted, 1e-11, f"at {frame.time:g} s")


@pytest.mark.interpreted
@pytest.mark.parametrize("name", ["a wall lifted half-way", "uneven, with obstacles"])
def test_walkers_follow_the_oracle_compiled_or_not(name: str, tmp_path: Path) -> None:
    """False alarm: one in a million per frame, had the seed not been fixed."""
    problem = BY_NAME[name]
    method = Walkers(particles=2000, limit="lattice")
    trial = Trial(method, problem, problem.propagator(tmp_path), None)
    u = problem.field()
    for frame, law in zip(trial.frames(u), lattice_truth(problem, u), strict=True):
        assert frame.counts is not None
        assert counts_p_value(frame.counts, law) > 1e-6


def test_methods_refuse_only_what_they_say_they_cannot_carry(tmp_path: Path) -> None:
    def refused(method: Method) -> set[str]:
        found = set()
        for problem in problems():
            try:
                Trial(method, problem, problem.propagator(tmp_path), None).course()
            except Unsupported:
                found.add(problem.name)
        return found

    assert not refused(Ftcs()) | refused(Chebyshev()) | refused(Walkers())
    assert refused(Modes()) == {
        "a wall with a gap", "a gap opened half-way", "cells of a region walled until half-way",
        "uneven, with obstacles", "uneven rings", "layers", "a ring walled at part of its seam",
    }  # fmt: skip


@pytest.mark.parametrize("method", [Ftcs(), Chebyshev()], ids=named)
@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_flips_and_transposes_are_exact_to_the_last_bit(
    method: Method, problem: Problem, tmp_path: Path
) -> None:
    trial = Trial(method, problem, problem.propagator(tmp_path), None)
    u = problem.field()
    frames = [frame.field for frame in trial.frames(u)]
    for axis in range(u.ndim):
        flipped = turned(trial, problem.flipped(axis), np.flip(u, axis))
        for found, wanted in zip(flipped, frames, strict=True):
            assert np.array_equal(np.flip(found, axis), wanted)
    if u.ndim == 2:
        for found, wanted in zip(turned(trial, problem.transposed(), u.T), frames, strict=True):
            assert np.array_equal(found.T, wanted)


# --- all pairs, by value --------------------------------------------------------------------------

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "diffusion": [
        {"diffusivity": 1.5e-9},
        {"diffusivity": {"x": 2e-9, "y": 5e-10}},
        {"diffusivity": {"kind": "layers", "axis": "x", "at": [3e-3], "values": [2e-9, 3e-10]}},
        {"diffusivity": 1.5e-9, "walls": [{"axis": "x", "at": 3e-3, "opens": 100.0}]},
        {"diffusivity": 1.5e-9, "walls": [{"axis": "y", "at": 2e-3, "span": [1e-3, 4e-3]}]},
    ],
}


def test_every_pair_of_propagator_and_method_refuses_in_words_or_agrees() -> None:
    """The law of counts may be missed once in a million, had the seed not been fixed."""
    start = BY_NAME["uneven, with obstacles"].field()
    for word, kind in Propagator.everyone():
        assert not isinstance(kind, Unsupported)
        assert word in SAMPLES, f"give '{word}' samples here, so that it is swept too"
        for options in SAMPLES[word]:
            for u in (start, start - 0.4):
                answers = answers_of(kind.model_validate(options), u)
                assert "lattice" in answers
                for limit, entries in answers.items():
                    agree(f"{options}, {limit}", entries)


Answer = tuple[Method, Array, Array | None]


def answers_of(propagator: Propagator, u: Array) -> dict[str, list[Answer]]:
    """What every method makes of a start, by its limit; those that refuse do so in words."""
    grid = Grid(shape=(6, 5), size=(6e-3, 5e-3))
    answers: dict[str, list[Answer]] = {}
    for variant in variants():
        method = variant.model_copy(update={"dt": 0.5}) if variant.order else variant
        try:
            course = plan(method, propagator, grid, [0.0, 300.0], traits=traits_of(u), seed=3)
        except Unsupported as refusal:
            reason = str(refusal)
        else:
            *_, frame = course.frames(u)
            answers.setdefault(course.method.limit, []).append(
                (course.method, frame.field, frame.counts)
            )
            continue
        assert len(reason.split()) > 3
    return answers


def agree(where: str, entries: list[Answer]) -> None:
    exact = [field for method, field, _ in entries if not method.statistical and not method.order]
    for method, field, counts in entries if exact else []:
        if counts is not None:
            assert counts_p_value(counts, exact[0]) > 1e-6, f"{where}: {method}"
        else:
            apart = np.max(np.abs(field - exact[0])) / np.max(exact[0])
            assert apart < (1e-3 if method.order else 1e-11), f"{where}: {method}"


# --- methods from elsewhere -----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_method_outlives_its_test() -> Iterator[None]:
    before = set(Method.members)
    yield
    for word in set(Method.members) - before:
        del Method.members[word]


def dense(segment: Segment) -> Array:
    """The generator's matrix, column by column."""
    generator = segment.view("generator")
    units = np.eye(segment.grid.cells).reshape(-1, *segment.grid.shape)
    return np.stack([generator.linear(unit).ravel() for unit in units], axis=1)


def exponential(u: Array, segment: Segment, times: float = 1.0) -> Array:
    """Exact answer by the matrix exponential, ``times`` the duration."""
    return np.asarray(linalg.expm(times * segment.duration * dense(segment)) @ u.ravel()).reshape(
        u.shape
    )


def plugged(word: str, **parts: Any) -> type[Method]:
    """A method as another package would bring it: exact, but for what ``parts`` replace."""
    facts = {
        "needs": ("generator",),
        "handles": frozenset({"walls", "uneven", "signed"}),
        "limit": "lattice",
        "advance": lambda _self, u, segment: exponential(u, segment),
        "word": word,
        "__module__": __name__,
    }
    return type(word.capitalize(), (Method,), {**facts, **parts})


def carried(share: Any) -> Any:
    """An advance that is the exact one, changed by ``share(exact, u, segment)``."""
    return lambda _self, u, segment: share(exponential(u, segment), u, segment)


def rejects(method: type[Method], sentence: str, *names: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as caught:
        contract(method, only=[BY_NAME[name] for name in names or ("even",)])
    assert method.word in str(caught.value)


def test_a_method_from_elsewhere_that_is_right_passes_everything() -> None:
    found = contract(plugged("exponential"))
    assert set(found.values()) == {"keeps the contract"}


def test_a_factor_two_in_the_diffusivity_is_rejected() -> None:
    def advance(self: Method, u: Array, segment: Segment) -> Array:
        return exponential(u, segment, times=2.0)

    rejects(plugged("twice", advance=advance), "lattice truth")


def test_an_error_of_one_in_ten_billion_is_rejected() -> None:
    wrong = carried(lambda exact, u, _: exact + 1e-10 * (u - u.mean()))
    rejects(plugged("nearly", advance=wrong), "lattice truth")


def test_a_leak_of_one_in_a_hundred_billion_is_rejected() -> None:
    rejects(plugged("leaky", advance=carried(lambda exact, *_: exact * (1 - 1e-11))), "the total")


def test_an_order_that_is_not_reached_is_rejected() -> None:
    wrong = type("Claims", (Ftcs,), {"order": 2, "word": "claims", "__module__": __name__})
    rejects(wrong, "order 1.0.*stated 2")


def test_an_order_that_is_exceeded_is_rejected() -> None:
    def advance(self: Any, u: Array, segment: Segment) -> Array:
        matrix, n = dense(segment), max(1, round(segment.duration / (self.dt or 60.0)))
        step = np.eye(u.size) + segment.duration / n * matrix
        step = step + (segment.duration / n * matrix) @ (segment.duration / n * matrix) / 2
        return np.asarray(np.linalg.matrix_power(step, n) @ u.ravel()).reshape(u.shape)

    parts = {"order": 1, "advance": advance, "__annotations__": {"dt": float | None}, "dt": None}
    rejects(plugged("heun", **parts), "order 2.0.*stated 1")
    contract(plugged("heun2", **{**parts, "order": 2}), only=[BY_NAME["a wall lifted half-way"]])


def test_an_order_without_a_step_to_halve_is_rejected() -> None:
    rejects(plugged("stepless", order=2), "no option 'dt'")


def test_a_scheme_other_than_stated_is_rejected() -> None:
    def implicit(matrix: Array, u: Array, steps: int, dt: float) -> Array:
        step = np.linalg.inv(np.eye(u.size) - dt * matrix)
        return np.asarray(np.linalg.matrix_power(step, steps) @ u)

    with pytest.raises(AssertionError, match="what the scheme gives exactly"):
        contract(Ftcs, scheme=implicit, only=problems()[:1])


def test_a_state_changed_in_place_is_rejected() -> None:
    def advance(self: Method, u: Array, segment: Segment) -> Array:
        u[...] = exponential(u, segment)
        return u

    rejects(plugged("mutating", advance=advance), "not the same bits")


def test_a_memory_outside_the_state_is_rejected() -> None:
    seen: list[int] = []

    def wrong(exact: Array, _u: Array, _segment: Segment) -> Array:
        seen.append(1)
        return exact if len(seen) < 4 else exact[::-1]

    rejects(plugged("remembering", advance=carried(wrong)), "asked for again")


def test_a_count_of_its_own_calls_is_rejected_on_resuming() -> None:
    """It gives the same bits run by run, yet not when it goes on from a stored state."""
    calls = {"since": 0}

    def begin(self: Method, u: Array, _origin: Segment) -> Array:
        calls["since"] = 0
        return u

    def wrong(exact: Array, u: Array, _segment: Segment) -> Array:
        calls["since"] += 1
        return np.asarray(exact + 1e-14 * calls["since"] * (u - u.mean()))

    rejects(plugged("counting", begin=begin, advance=carried(wrong)), "stored state")


def test_a_promise_to_stay_positive_that_is_broken_is_rejected() -> None:
    wrong = carried(lambda exact, u, _: exact - 1e-13 * (u == 0) + 1e-13 * np.mean(u == 0))
    start = BY_NAME["nothing moves"]
    rejects(
        plugged("dipping", advance=wrong, positive=True), "positive by its own word", start.name
    )


def distorted(word: str, share: Any) -> type[Method]:
    """Explicit steps whose result is changed by far less than their own error."""

    def advance(self: Ftcs, u: Array, segment: Segment) -> Array:
        found = Ftcs.advance(self, u, segment)
        return np.asarray(found + share(found))

    return type(word, (Ftcs,), {"advance": advance, "word": word, "__module__": __name__})


def test_what_is_not_linear_is_rejected() -> None:
    wrong = distorted("bent", lambda u: 1e-9 * (u**2 - np.mean(u**2)))
    rejects(wrong, "not linear")


def test_a_preferred_direction_is_rejected() -> None:
    wrong = distorted("drifting", lambda u: 1e-9 * (u - np.roll(u, 1, 0)))
    rejects(wrong, "flipped along x")


def test_a_preference_for_an_axis_is_rejected() -> None:
    wrong = distorted("squinting", lambda u: 1e-9 * (u - u[:, ::-1]))
    rejects(wrong, "transposed")


def test_a_refusal_amid_the_work_is_rejected() -> None:
    def advance(self: Method, u: Array, segment: Segment) -> Array:
        raise Unsupported("this medium is not for me, sorry")

    rejects(plugged("late", advance=advance), "planned, and then refused")


def test_a_refusal_without_a_sentence_and_a_refusal_of_everything_are_rejected() -> None:
    def curt(self: Method, segment: Segment) -> Plan:
        raise Unsupported("no")

    def polite(self: Method, segment: Segment) -> Plan:
        raise Unsupported("this method carries nothing at all yet")

    rejects(plugged("curt", plan=curt), "without a sentence")
    rejects(plugged("idle", plan=polite), "carries nothing here")


def test_counts_that_do_not_follow_the_law_are_rejected() -> None:
    def extras(self: Walkers, state: Any) -> dict[str, Array]:
        bent = state.counts.copy()
        bent[0, 0], bent[-1, -1] = bent[0, 0] + 600, bent[-1, -1] - 600
        return {"counts": bent}

    parts = {"extras": extras, "word": "drawn", "__module__": __name__}
    rejects(type("Drawn", (Walkers,), parts), "do not follow the law")


def test_counts_where_nothing_can_be_are_rejected() -> None:
    assert counts_p_value(np.array([1000, 1, 999]), np.array([0.5, 0.0, 0.5])) == 0.0
