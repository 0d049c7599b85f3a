"""The oracle of the contract, held to what is known in closed form and to other routes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special

from diffusim.block import Array
from diffusim.testing import (
    Barrier,
    Layered,
    Problem,
    Scheduled,
    Side,
    ledger_truth,
    oracle,
    problems,
    schemes,
    steady_state,
)
from diffusim.testing.catalogue import fed, held, leaky
from diffusim.testing.oracle import bernoulli, pair, stretches, volumes

H, D = 1e-3, 1.5e-9
N = 6
LENGTH = N * H
X = (np.arange(N) + 0.5) * H

everywhere = pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)


def line(**parts: object) -> Problem:
    """Six cells in a row, closed but for what is given."""
    given = {"shape": (N,), "spacing": (H,), "times": (0.0, 600.0), "periodic": (False,), **parts}
    return Problem("a row", **given)  # type: ignore[arg-type]


def at_rest(problem: Problem) -> Array:
    found = steady_state(problem, problem.field())
    assert found is not None
    return found


def inflow(problem: Problem, u: Array) -> dict[str, float]:
    """What each account takes in per second."""
    dense = oracle(problem, 0.0)
    return dict(zip(problem.accounts, dense.rows @ u.ravel() + dense.gains, strict=True))


# --- steady states --------------------------------------------------------------------------------


@pytest.mark.parametrize("permeability", [math.inf, 4e-7])
def test_two_slabs_and_a_membrane_are_resistances_in_series(permeability: float) -> None:
    low, high = 2e-9, 3e-10
    wall = () if math.isinf(permeability) else (Barrier(0, 2, permeability=permeability),)
    problem = line(diffusivity=Layered(0, (2,), (low, high)), barriers=wall,
                   sides={(0, 0): held(1.0), (0, 1): held(0.25)})  # fmt: skip
    flux = 0.75 / (2 * H / low + 1.0 / permeability + 4 * H / high)
    wanted = np.where(X < 2 * H, 1.0 - flux * X / low, 0.25 + flux * (LENGTH - X) / high)
    u = at_rest(problem)
    assert np.allclose(u, wanted, rtol=1e-13, atol=0)
    came = inflow(problem, u)
    assert came["left"] == pytest.approx(flux, rel=1e-12, abs=0)
    assert came["right"] == pytest.approx(-flux, rel=1e-12, abs=0)


def test_a_source_between_held_ends_makes_a_parabola() -> None:
    """The half cells at the ends lift it by q h^2 / (8 D), everywhere alike."""
    q = 1e-3
    problem = line(source=q, sides={(0, 0): held(0.5), (0, 1): held(0.5)})
    wanted = 0.5 + 0.5 * q / D * X * (LENGTH - X) + q * H**2 / (8.0 * D)
    u = at_rest(problem)
    assert np.allclose(u, wanted, rtol=1e-13, atol=0)
    assert inflow(problem, u)["left"] == pytest.approx(-0.5 * q * LENGTH, rel=1e-12, abs=0)


def test_a_transfer_is_one_more_resistance() -> None:
    transfer, outside = 2e-7, 0.25
    problem = line(sides={(0, 0): held(1.0), (0, 1): leaky(transfer, outside)})
    flux = (1.0 - outside) / (LENGTH / D + 1.0 / transfer)
    u = at_rest(problem)
    assert np.allclose(u, 1.0 - flux * X / D, rtol=1e-13, atol=0)
    assert inflow(problem, u)["right"] == pytest.approx(-flux, rel=1e-12, abs=0)


def test_a_flux_is_what_comes_in() -> None:
    flux = 1e-6
    problem = line(sides={(0, 0): fed(flux), (0, 1): held(0.25)})
    u = at_rest(problem)
    assert np.allclose(u, 0.25 + flux / D * (LENGTH - X), rtol=1e-13, atol=0)
    assert inflow(problem, u) == pytest.approx({"left": flux, "right": -flux}, rel=1e-12, abs=0)


@pytest.mark.parametrize("velocity", [3e-7, -3e-7, 2e-5, -2e-5])
def test_drift_between_held_values_is_exponential_to_round_off(velocity: float) -> None:
    """Scharfetter and Gummel's faces are exact for it, at any cell Peclet number."""
    problem = line(drift=(velocity,), sides={(0, 0): held(1.0), (0, 1): held(0.25)})
    u = at_rest(problem)
    share = np.expm1(velocity * X / D) / np.expm1(velocity * LENGTH / D)
    assert np.allclose(u, 1.0 - 0.75 * share, rtol=1e-12, atol=0)
    flux = velocity * (1.0 + 0.75 / np.expm1(velocity * LENGTH / D))
    assert inflow(problem, u)["left"] == pytest.approx(flux, rel=1e-11, abs=0)


@pytest.mark.parametrize(
    ("geometry", "flux"),
    [
        ("cylindrical", 2.0 * np.pi / np.log(3.0)),
        ("spherical", 4.0 * np.pi / (1 / 2e-3 - 1 / 6e-3)),
    ],
)
def test_hollow_bodies_approach_their_flux_with_the_second_power(
    geometry: str, flux: float
) -> None:
    """Per length 2 pi D / log(b/a) through a tube, 4 pi D / (1/a - 1/b) through a shell."""
    errors = []
    for n in (8, 16, 32):
        problem = line(shape=(n,), spacing=(4e-3 / n,), geometry=geometry, inner=2e-3,
                       sides={(0, 0): held(1.0), (0, 1): held(0.0)})  # fmt: skip
        errors.append(inflow(problem, at_rest(problem))["inner"] / (D * flux) - 1.0)
    assert np.allclose(np.diff(np.log2(np.abs(errors))), -2.0, rtol=0.02, atol=0)


@pytest.mark.parametrize(("geometry", "power"), [("cylindrical", 2), ("spherical", 3)])
def test_volumes_sum_to_that_of_the_body(geometry: str, power: int) -> None:
    inner, outer = 2e-3, 2e-3 + LENGTH
    problem = line(geometry=geometry, inner=inner)
    unit = np.pi if power == 2 else 4.0 / 3.0 * np.pi
    wanted = unit * (outer**power - inner**power)
    assert np.sum(volumes(problem)) == pytest.approx(wanted, rel=1e-14, abs=0)


# --- in time --------------------------------------------------------------------------------------


def test_modes_of_a_closed_box_fade_at_the_rates_of_the_lattice() -> None:
    problem = line()
    for k in range(N):
        mode = np.cos(np.pi * k * X / LENGTH)
        rate = 4.0 * D / H**2 * np.sin(0.5 * np.pi * k / N) ** 2
        faded = ledger_truth(problem, mode)[-1].field
        assert np.allclose(faded, np.exp(-600.0 * rate) * mode, rtol=1e-12, atol=1e-15)


def test_decay_is_exponential_and_all_of_it_is_in_its_account() -> None:
    problem = line(decay=1e-3)
    start = ledger_truth(line(), problem.field())[-1].field
    end = ledger_truth(problem, problem.field())[-1]
    assert np.allclose(end.field, np.exp(-0.6) * start, rtol=1e-13, atol=0)
    wanted = H * np.sum(problem.field()) * np.expm1(-0.6)
    assert end.accounts == pytest.approx([wanted], rel=1e-13, abs=0)


def test_sources_and_fluxes_add_up_in_time() -> None:
    table = Side("flux", ((0.0, 1e-6), (300.0, 3e-6)))
    problem = line(source=1e-4, sides={(0, 1): table}, times=(150.0, 600.0))
    first, last = (truth.accounts for truth in ledger_truth(problem, problem.field()))
    assert problem.accounts == ("right", "source")
    assert first == pytest.approx([1e-6 * 150, 1e-4 * LENGTH * 150], rel=1e-13, abs=0)
    assert last == pytest.approx([1e-6 * 300 + 3e-6 * 300, 1e-4 * LENGTH * 600], rel=1e-13, abs=0)


def test_diffusivities_in_turn_are_one_with_their_mean() -> None:
    """Matrices that are multiples of one another commute, so only the sum of D t counts."""
    turns = line(diffusivity=Scheduled((0.0, 200.0), (D, 4.0 * D)))
    mean = line(diffusivity=3.0 * D)
    u = turns.field()
    assert np.allclose(ledger_truth(turns, u)[-1].field, ledger_truth(mean, u)[-1].field,
                       rtol=1e-12, atol=0)  # fmt: skip


def test_the_exponential_is_met_by_an_integrator_of_the_equation() -> None:
    """Fields and accounts of the box that has all it can have, by Runge-Kutta of order eight."""
    problem = problems()[-1]
    assert problem.name == "everything at once"
    u = problem.field()
    size = u.size
    state = np.concatenate([problem.wet(u).ravel(), np.zeros(len(problem.accounts))])
    reached = {0.0: state}
    for start, stop in stretches(problem):
        dense = oracle(problem, 0.5 * (start + stop))

        def slope(_time: float, y: Array, dense: object = dense) -> Array:
            v = y[:size]
            return np.concatenate([dense.matrix @ v + dense.b, dense.rows @ v + dense.gains])  # type: ignore[attr-defined]

        state = integrate.solve_ivp(slope, (start, stop), state, "DOP853", rtol=1e-12,
                                    atol=1e-18).y[:, -1]  # fmt: skip
        reached[stop] = state
    for time, truth in zip(problem.times, ledger_truth(problem, u), strict=True):
        wanted = reached[time]
        assert np.allclose(truth.field.ravel(), wanted[:size], rtol=1e-9, atol=1e-12)
        assert np.allclose(truth.accounts, wanted[size:], rtol=1e-9, atol=1e-18)


# --- what every problem has -----------------------------------------------------------------------


@everywhere
def test_what_is_inside_changes_by_the_accounts_alone(problem: Problem) -> None:
    volume = volumes(problem).ravel()
    for start, stop in stretches(problem):
        dense = oracle(problem, 0.5 * (start + stop))
        slack = 1e-14 * np.max(np.abs(dense.matrix), initial=1e-300) * np.max(volume)
        assert np.allclose(volume @ dense.matrix, dense.rows.sum(axis=0), rtol=0, atol=slack)
        come = volume @ dense.b
        assert come == pytest.approx(np.sum(dense.gains), rel=1e-13, abs=0)


@everywhere
def test_no_cell_draws_on_another_below_zero(problem: Problem) -> None:
    for start, stop in stretches(problem):
        matrix = oracle(problem, 0.5 * (start + stop)).matrix
        assert np.all(matrix[~np.eye(len(matrix), dtype=bool)] >= 0.0)
        assert np.all(np.diag(matrix) <= 0.0)


@everywhere
def test_a_constant_stays_in_a_closed_medium(problem: Problem) -> None:
    """Also where it is stirred, since as much flows into every cell as out of it."""
    if problem.accounts:
        return
    for start, stop in stretches(problem):
        matrix = oracle(problem, 0.5 * (start + stop)).matrix
        slack = 1e-14 * np.max(np.abs(matrix))
        assert np.allclose(matrix @ np.ones(len(matrix)), 0.0, rtol=0, atol=slack)


@everywhere
def test_flipped_and_transposed_problems_are_the_same_equation(problem: Problem) -> None:
    cells = np.arange(math.prod(problem.shape)).reshape(problem.shape)
    turns: list[tuple[Problem, Array]] = [
        (problem.flipped(axis), np.flip(cells, axis)) for axis in problem.mirrors
    ]
    if problem.transposes:
        turns.append((problem.transposed(), cells.T))
    for other, order in turns:
        order = order.ravel()
        for start, stop in stretches(problem):
            time = 0.5 * (start + stop)
            own, turned = oracle(problem, time), oracle(other, time)
            size = float(np.max(np.abs(own.matrix)))
            matrix = own.matrix[np.ix_(order, order)]
            assert np.allclose(turned.matrix, matrix, rtol=1e-13, atol=1e-15 * size)
            assert np.allclose(turned.b, own.b[order], rtol=1e-13, atol=0)
            assert np.sum(turned.gains) == pytest.approx(np.sum(own.gains), rel=1e-12, abs=1e-30)


@everywhere
def test_a_problem_flipped_twice_is_itself(problem: Problem) -> None:
    for axis in problem.mirrors:
        again = problem.flipped(axis).flipped(axis)
        for start, stop in stretches(problem):
            own, turned = (oracle(one, 0.5 * (start + stop)) for one in (problem, again))
            assert np.array_equal(own.matrix, turned.matrix)
            assert np.array_equal(own.rows, turned.rows)


@everywhere
def test_a_steady_state_has_no_rate(problem: Problem) -> None:
    steady = steady_state(problem, problem.field())
    if steady is None:
        assert problem.events or problem.source is not None
        return
    dense = oracle(problem, 0.0)
    rate = dense.matrix @ steady.ravel() + dense.b
    size = np.max(np.abs(dense.matrix)) * np.max(np.abs(steady))
    assert np.max(np.abs(rate)) <= 1e-13 * size


def test_what_can_leave_ends_in_the_steady_state() -> None:
    for name in ("another edge on every side", "flow from a held side to a leaky one"):
        problem = next(problem for problem in problems() if problem.name == name)
        late = replace(problem, times=(0.0, 1e6))
        assert np.allclose(ledger_truth(late, late.field())[-1].field, at_rest(problem),
                           rtol=1e-10, atol=0)  # fmt: skip


@everywhere
def test_the_package_s_generator_is_the_oracle_s_equation(problem: Problem, tmp_path: Path) -> None:
    """Rates and ledger, of the problem as it is, flipped and transposed."""
    turns = [problem, *(problem.flipped(axis) for axis in problem.mirrors)]
    turns += [problem.transposed()] if problem.transposes else []
    for number, other in enumerate(turns):
        folder = tmp_path / str(number)
        folder.mkdir()
        grid, propagator = other.grid, other.propagator(folder)
        assert not list(propagator.check(grid))
        assert propagator.accounts(grid) == other.accounts
        assert sorted(set(other.events)) == list(propagator.events(grid))
        u = other.wet(other.field())
        for start, stop in stretches(other):
            dense = oracle(other, 0.5 * (start + stop))
            generator = propagator.generator(grid, 0.5 * (start + stop))
            wanted = (dense.matrix @ u.ravel() + dense.b).reshape(u.shape)
            size = float(np.max(np.abs(dense.matrix)) + np.max(np.abs(dense.b)))
            assert np.allclose(generator.rate(u), wanted, rtol=0, atol=1e-14 * size)
            came = dense.rows @ u.ravel() + dense.gains
            through = float(np.sum(np.abs(came), initial=0.0))
            ledger = generator.ledger([u] * u.ndim, 1.0)
            assert np.allclose(ledger, came, rtol=0, atol=1e-13 * through)


# --- its parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [0.0, 1e-9, -1e-5, 9e-5, 2e-4, -0.3, 5.0, -40.0, 300.0, -800.0])
def test_bernoulli_s_function_is_one_over_the_mean_exponential(x: float) -> None:
    """B(x) = 1 / (integral of exp(x s) over s from 0 to 1), and B(-x) - B(x) = x to round-off."""
    if abs(x) < 50.0:
        mean = integrate.quad(lambda s: math.exp(x * s), 0.0, 1.0, epsabs=0, epsrel=1e-13)[0]
        assert bernoulli(x) == pytest.approx(1.0 / mean, rel=1e-12, abs=0)
    assert bernoulli(-x) - bernoulli(x) == pytest.approx(x, rel=1e-12, abs=4e-16)
    assert bernoulli(x) >= 0.0


def test_a_face_without_diffusion_is_upwind_as_the_limit_is() -> None:
    for flow in (2.0, -2.0):
        assert pair(0.0, flow) == pytest.approx(pair(1e-4, flow), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("stages", [3, 4, 9])
def test_the_published_recurrence_is_a_shifted_legendre_polynomial(stages: int) -> None:
    rates = np.linspace(0.0, -0.25 * (stages**2 + stages - 2), 7)
    found = schemes.legendre(stages)(np.diag(rates), np.zeros(7), np.ones(7), 1, 2.0)
    weight = (stages**2 + stages - 2) / (2 * stages * (stages + 1))
    inside = 1.0 + 4.0 / (stages**2 + stages - 2) * 2.0 * rates
    wanted = 1.0 - weight + weight * special.eval_legendre(stages, inside)
    assert np.allclose(found, wanted, rtol=1e-12, atol=1e-13)


def test_schemes_agree_with_one_number_worked_by_hand() -> None:
    """du/dt = -u + 2 with dt = 0.5: Euler, backward Euler, Crank-Nicolson after two half-steps."""
    one, b, u = np.array([[-1.0]]), np.array([2.0]), np.array([5.0])
    assert schemes.euler(one, b, u, 2, 0.5) == pytest.approx(2.0 + 3.0 * 0.25, rel=1e-14)
    assert schemes.lod.steps([one], b, u, 2, 0.5, True, True) == pytest.approx(
        2.0 + 3.0 / 1.5**2, rel=1e-14
    )
    crank = 0.75 / 1.25
    assert schemes.douglas.steps([one], b, u, 2, 0.5, False, True) == pytest.approx(
        2.0 + 3.0 * crank**2, rel=1e-14
    )
    # Half of the right-hand side each time, behind the whole factor.
    half = 1.0 - 0.25 / 1.25
    assert schemes.douglas.steps([one], b, u, 2, 0.5, True, True) == pytest.approx(
        2.0 + 3.0 * half**2 * crank, rel=1e-14
    )
