"""The contract rejects methods that break it, and lets pass those from elsewhere that do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import linalg

from diffusim.block import Array, Unsupported
from diffusim.methods import Method, OnLattice, Plan
from diffusim.methods.adi import Adi
from diffusim.methods.ftcs import Ftcs
from diffusim.methods.rkl2 import Rkl2
from diffusim.methods.walkers import Walkers
from diffusim.segment import Segment
from diffusim.testing import Problem, contract, counts_p_value, problems, schemes

BY_NAME = {problem.name: problem for problem in problems()}


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


def test_a_method_from_elsewhere_that_is_right_keeps_all_it_does_not_refuse() -> None:
    found = contract(plugged("exponential"))
    assert {found[problem.name] for problem in problems() if carried_by_default(problem)} == {
        "keeps the contract"
    }
    assert all(what.startswith("refuses: exponential cannot carry") for what in found.values()
               if what != "keeps the contract")  # fmt: skip


def carried_by_default(problem: Problem) -> bool:
    return not (problem.accounts or problem.flows or problem.geometry != "box")


# --- open media from elsewhere --------------------------------------------------------------------


def integrated(u: Array, segment: Segment, integrate: bool) -> tuple[Array, list[Array]]:
    """Field and its integral: the exponential of d/dt (u, integral, 1) = (L u + b, u, 0)."""
    size = u.size
    generator = segment.view("generator")
    whole = np.zeros((2 * size + 1, 2 * size + 1))
    whole[:size, :size] = dense(segment)
    whole[:size, -1] = np.broadcast_to(generator.gains, u.shape).ravel()
    # In units of the duration, so that no entry is much larger than the others.
    whole[size : 2 * size, :size] = np.eye(size) / segment.duration
    state = np.concatenate([u.ravel(), np.zeros(size), [1.0]])
    found = np.asarray(linalg.expm(segment.duration * whole) @ state)
    integral = segment.duration * found[size : 2 * size].reshape(u.shape)
    return found[:size].reshape(u.shape), [integral] * u.ndim if integrate else []


def ledgered(word: str, **parts: Any) -> type[OnLattice]:
    """An exact method of open media as another package would bring it, but for ``parts``."""

    def carry(
        _self: OnLattice, u: Array, segment: Segment, *, integrate: bool
    ) -> tuple[Array, list[Array]]:
        return integrated(u, segment, integrate)

    return type(word, (OnLattice,), {"carry": carry, "word": word, "__module__": __name__, **parts})


def changed_accounts(share: Any) -> dict[str, Any]:
    """Parts of a method whose accounts are changed by ``share(accounts)`` when they are told."""

    def extras(self: OnLattice, state: Any) -> dict[str, Array]:
        found = OnLattice.extras(self, state)
        return {name: share(array) for name, array in found.items()}

    return {"extras": extras}


EDGES = "another edge on every side"


def test_a_method_from_elsewhere_that_is_right_passes_everything() -> None:
    found = contract(ledgered("ledgered"), only=problems()[::3])
    assert set(found.values()) == {"keeps the contract"}


def test_an_account_that_misses_one_in_a_hundred_billion_is_rejected() -> None:
    wrong = ledgered("embezzling", **changed_accounts(lambda accounts: accounts * (1 + 1e-11)))
    rejects(wrong, "ledger is out of balance", EDGES)


def test_accounts_that_are_exchanged_are_rejected_though_their_sum_is_right() -> None:
    wrong = ledgered("mixed", **changed_accounts(lambda accounts: accounts[::-1].copy()))
    rejects(wrong, "accounts at 180 s", EDGES)


def test_a_method_that_keeps_no_accounts_of_an_open_medium_is_rejected() -> None:
    wrong = ledgered("careless", extras=lambda _self, _state: {})
    rejects(wrong, "accounts of it are None", EDGES)


def test_accounts_that_are_told_before_anything_came_in_are_rejected() -> None:
    wrong = ledgered("early", **changed_accounts(lambda accounts: accounts + 1e-9))
    rejects(wrong, "ledger is out of balance .* until 0 s", "decay")


def test_too_much_of_a_source_is_rejected_though_the_ledger_closes() -> None:
    """Field and account agree with each other, and not with the oracle."""
    problem = BY_NAME["nothing but a source"]
    volume = problem.grid.cells * problem.grid.volume

    def advance(self: OnLattice, state: Any, segment: Segment) -> Any:
        found = OnLattice.advance(self, state, segment)
        more = 1e-10 * segment.duration / 600.0
        return found._replace(field=found.field + more, accounts=found.accounts + more * volume)

    rejects(ledgered("generous", advance=advance), "lattice truth", problem.name)


def test_a_steady_state_that_is_left_is_rejected_unless_the_scheme_says_so() -> None:
    method, only = Adi(scheme="lod"), [BY_NAME[EDGES]]
    with pytest.raises(AssertionError, match="a steady state, at 180 s"):
        contract(method, only=only)
    contract(method, scheme=schemes.lod, only=only)


def test_accounts_of_lower_order_than_the_field_are_rejected() -> None:
    """What one side took in is told of another, less so the shorter the steps."""

    def extras(self: Rkl2, state: Any) -> dict[str, Array]:
        astray = 1e-10 * (self.dt or 1.0) * np.array([1.0, -1.0, 0.0])
        return {"accounts": state.accounts + astray * np.any(state.accounts)}

    wrong = type("Sloppy", (Rkl2,), {"extras": extras, "word": "sloppy", "__module__": __name__})
    rejects(wrong, r"errors of the accounts .* order (0\.9|1\.0).*stated 2", EDGES)


def test_accounts_that_do_not_begin_empty_are_rejected() -> None:
    """The balance does not see it, since what one has too much another has too little."""

    def begin(self: Ftcs, u: Array, origin: Segment) -> Any:
        state = Ftcs.begin(self, u, origin)
        return state._replace(accounts=np.array([1e-12, -1e-12, 0.0]))

    wrong = type("Prior", (Ftcs,), {"begin": begin, "word": "prior", "__module__": __name__})
    rejects(wrong, "the accounts at time zero", EDGES)


def test_a_start_left_in_solid_cells_is_rejected() -> None:
    wrong = ledgered("wet", observe=lambda _self, state, _grid: np.where(state == 0.0, 1e-3, state))
    rejects(wrong, "the total changes", "solid cells")


def test_what_is_linear_but_for_what_comes_in_twice_is_rejected() -> None:
    def carry(
        _self: OnLattice, u: Array, segment: Segment, *, integrate: bool
    ) -> tuple[Array, list[Array]]:
        found, integrals = integrated(u, segment, integrate)
        return found + 1e-9 * (u**2 - np.mean(u**2)), integrals

    rejects(ledgered("curved", carry=carry), "not linear|lattice truth", "a source in a closed box")


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
    def implicit(matrix: Array, b: Array, u: Array, steps: int, dt: float) -> Array:
        step = np.linalg.inv(np.eye(u.size) - dt * matrix)
        for _ in range(steps):
            u = step @ (u + dt * b)
        return u

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
