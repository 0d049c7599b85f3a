"""Quantum circuits: the state vector holds the convolution, and shots follow Born's rule.

Seeds are fixed, so a failure is a fault. The rate of false alarms that a test of chance would have
with a fresh seed stands in its docstring.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim import comparison, runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.counts import chi_square_pair, expected_noise
from diffusim.methods import circuit
from diffusim.methods.auto import Auto
from diffusim.methods.circuit import Circuit, resources
from diffusim.propagators.kernel import Kernel
from diffusim.shifts import Applied

WIND = [[0, 1, 3], [0, 5, 2], [1, 0, 0]]
KERNELS: dict[str, Any] = {
    "edges": {"kernel": "edge-detector", "normalise": "softmax", "temperature": 4.0},
    "a wind": {"kernel": WIND, "normalise": "sum"},
    "wide": {"kernel": {"kind": "gaussian", "sigma": 2.0}, "normalise": "sum"},
    "a shift": {"kernel": {"kind": "shift", "by": [2, -1]}, "normalise": "none"},
}
EDGES: dict[str, Any] = {
    "mirrors": "no-flux",
    "rings": "periodic",
    "mixed": {"x": "periodic", "y": "no-flux"},
    "open": {"x": {"value": 0.0}, "y": {"value": 0.0}},
    "half open": {"left": {"value": 0.0}, "right": "no-flux", "y": "periodic"},
}


def grid_of(shape: tuple[int, ...], edges: Any = "no-flux") -> ds.Grid:
    return ds.Grid(shape=shape, size=tuple(0.5 * n for n in shape), edges=edges)


def picture(shape: tuple[int, ...], seed: int = 1) -> Array:
    u = np.random.default_rng(seed).random(shape)
    u.flat[:3] = 0.0
    return u


def viewed(shape: tuple[int, ...], kernel: str, edges: str) -> Applied:
    return Kernel(**KERNELS[kernel]).convolution(grid_of(shape, EDGES[edges]))


def counted(u: Array, shots: int, seed: int = 0, times: Any = (1,)) -> Array:
    run = ds.solve(u, Kernel(**KERNELS["a wind"]), grid=grid_of(u.shape), times=times,
                   method=Circuit(shots=shots), seed=seed)  # fmt: skip
    assert run.counts is not None
    return run.counts[-1]


# --- the state vector ---------------------------------------------------------------------------


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", [(9, 7), (2, 5), (1, 4)])
def test_the_measured_position_is_the_convolution(
    shape: tuple[int, int], kernel: str, edges: str
) -> None:
    u, grid, propagator = picture(shape, 2) + 0.1, grid_of(shape, EDGES[edges]), KERNELS[kernel]
    wanted, found = (
        ds.solve(u, Kernel(**propagator), grid=grid, times=[0, 1, 7], method=method)
        for method in ("stencil", "circuit")
    )
    assert np.array_equal(found.frames[0], u)
    for number, tolerance in ((1, 1e-14), (2, 1e-13)):
        apart = np.max(np.abs(found.frames[number] - wanted.frames[number]))
        assert apart <= tolerance * np.max(wanted.frames[number])
    assert np.min(found.frames) >= 0.0


@pytest.mark.parametrize("edges", ["no-flux", "periodic", {"left": {"value": 0.0}}])
@pytest.mark.parametrize("values", [[1, 2, 0, 5, 9], [0.3, 0.4, 0.3], [0, 0, 1], [7.0]])
def test_so_it_is_along_a_line(values: list[float], edges: Any) -> None:
    u = picture((6,), 3)
    propagator = Kernel(kernel=values, normalise="sum")
    wanted, found = (
        ds.solve(u, propagator, grid=grid_of((6,), edges), times=[1, 5], method=method).frames
        for method in ("stencil", "circuit")
    )
    assert np.max(np.abs(found - wanted)) <= 1e-14 * np.max(wanted[0])


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("together", [1, 2**25])
def test_the_state_has_norm_one_before_and_after_the_shift(
    kernel: str, edges: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "TOGETHER", together)
    u = picture((9, 7))
    pairs = list(circuit.states(u, viewed(u.shape, kernel, edges)))
    assert (len(pairs) > 1) == (together == 1 and kernel != "a shift")
    for part in zip(*pairs, strict=True):
        assert sum(float(np.sum(state**2)) for state in part) == pytest.approx(1, rel=1e-14, abs=0)


@pytest.mark.parametrize("edges", EDGES)
def test_the_shift_is_a_permutation_which_the_opposite_moves_undo(edges: str) -> None:
    view = viewed((5, 4), "a wind", edges)
    sizes = [len(places) for places in circuit.registers((5, 4), view)]
    moves = np.array(list(itertools.product((-1, 0, 1), repeat=2)))
    state = np.random.default_rng(4).permutation(9 * sizes[0] * sizes[1]).reshape(9, *sizes)
    after = circuit.shifted(state, moves)
    assert not np.array_equal(after, state)
    for before, behind in zip(state, after, strict=True):
        # The move itself stays in its register, so a part of the state stays with its move.
        assert np.array_equal(np.sort(before, axis=None), np.sort(behind, axis=None))
    assert np.array_equal(circuit.shifted(after, -moves), state)


def test_a_basis_state_is_carried_to_the_sum_of_position_and_move() -> None:
    state = np.zeros((2, 6, 4))
    state[1, 5, 2] = 1.0
    after = circuit.shifted(state, np.array([[0, 0], [2, -3]]))
    assert np.argwhere(after).tolist() == [[1, (5 + 2) % 6, (2 - 3) % 4]]


def test_between_mirrors_the_field_starts_in_the_first_half_and_images_are_folded_back() -> None:
    u = picture((4, 3)) + 0.1
    view = viewed(u.shape, "a wind", "mirrors")
    assert [places.tolist() for places in circuit.registers(u.shape, view)] == [
        [0, 1, 2, 3, 3, 2, 1, 0],
        [0, 1, 2, 2, 1, 0],
    ]
    before, after = (np.concatenate(part) for part in zip(*circuit.states(u, view), strict=True))
    assert np.array_equal(before != 0.0, np.pad(np.ones((5, 4, 3)), ((0, 0), (0, 4), (0, 3))))
    assert np.any(after[:, 4:]), "nothing meets a mirror"


def test_amplitudes_are_square_roots_of_shares() -> None:
    u = np.array([1.0, 0.0, 3.0])
    view = Kernel(kernel=[1, 0, 3], normalise="sum").convolution(grid_of((3,), "periodic"))
    ((before, after),) = circuit.states(u, view)
    wanted = np.sqrt(np.outer([0.25, 0.75], [0.25, 0.0, 0.75]))
    assert before == pytest.approx(wanted, rel=1e-15, abs=0)
    assert np.array_equal(after, [np.roll(before[0], -1), np.roll(before[1], 1)])


@pytest.mark.parametrize("edges", ["open", "half open"])
def test_what_is_found_outside_is_counted_to_the_last_digits(edges: str) -> None:
    u = picture((9, 8), 5)
    wind, grid = Kernel(**KERNELS["a wind"]), grid_of(u.shape, EDGES[edges])
    found, wanted = (ds.solve(u, wind, grid=grid, times=[0, 1, 5, 6], method=method)
                     for method in ("circuit", "stencil"))  # fmt: skip
    assert found.facts["accounts"] == ["outside"]
    assert found.accounts is not None
    assert wanted.accounts is not None
    content = found.frames.sum(axis=(1, 2)) * grid.volume
    assert np.max(np.abs(content - content[0] - found.accounts[:, 0])) < 1e-14 * content[0]
    assert np.max(np.abs(found.accounts - wanted.accounts)) < 1e-14 * content[0]
    assert found.accounts[-1, 0] < -0.01


def test_when_all_has_left_nothing_is_there_to_be_loaded() -> None:
    u = picture((3, 3), 6) + 0.1
    shift = Kernel(**KERNELS["a shift"])
    run = ds.solve(u, shift, grid=grid_of((3, 3), EDGES["open"]), times=[1, 2, 4],
                   method=Circuit(shots=1000))  # fmt: skip
    assert run.counts is not None
    assert np.any(run.frames[0])
    assert not np.any(run.frames[1:])
    assert 0 < np.sum(run.counts[0]) < 1000
    assert not np.any(run.counts[1:])


def test_a_state_that_was_stored_goes_on_to_the_same_bits() -> None:
    u = picture((6, 5), 7)
    for edges, shots in itertools.product(("mixed", "half open"), (None, 500)):
        course = runs.plan(Circuit(shots=shots), Kernel(**KERNELS["a wind"]),
                           grid_of(u.shape, EDGES[edges]), [0.0, 2.0, 3.0])  # fmt: skip
        frames = list(course.frames(u))
        stored = runs.taken_apart(frames[1].state)
        state = runs.revived(course.begin(u), {k: np.array(v) for k, v in stored.items()})
        (again,) = course.frames(u, 2, state)
        assert np.array_equal(again.field, frames[2].field)
        assert set(again.extras) == {
            name for name, is_there in (("accounts", edges == "half open"), ("counts", shots))
            if is_there
        }  # fmt: skip
        for name, array in frames[2].extras.items():
            assert np.array_equal(again.extras[name], array)


def test_channels_are_carried_each_by_itself() -> None:
    u = np.stack([picture((6, 5), seed) for seed in (8, 8)])
    wind, method = Kernel(**KERNELS["a wind"]), Circuit(shots=10**4)
    both, one = (ds.solve(v, wind, grid=grid_of((6, 5)), times=[2], method=method)
                 for v in (u, u[0]))  # fmt: skip
    assert both.counts is not None
    assert one.counts is not None
    assert np.array_equal(both.frames[0, 0], one.frames[0])
    assert np.array_equal(both.counts[0, 0], one.counts[0])
    assert not np.array_equal(both.counts[0, 1], one.counts[0])


# --- shots --------------------------------------------------------------------------------------


def test_shots_follow_the_law_of_the_last_application() -> None:
    """Chi-square by cells and by blocks, for six seeds and three frames. False alarm: 4e-5."""
    u = picture((20, 18), 9)
    wind, grid = Kernel(**KERNELS["a wind"]), grid_of(u.shape)
    law = ds.solve(u, wind, grid=grid, times=[0, 1, 4], method="stencil").frames
    for seed in range(6):
        run = ds.solve(u, wind, grid=grid, times=[0, 1, 4], method=Circuit(shots=10**5), seed=seed)
        assert run.counts is not None
        for counts, expected in zip(run.counts, law, strict=True):
            assert counts.dtype == np.int64
            assert np.sum(counts) == 10**5
            assert min(chi_square_pair(counts, expected)) > 1e-6


def test_the_error_of_shots_falls_as_their_number_to_the_minus_one_half() -> None:
    """Root mean square of twelve seeds, 1e2 to 1e6 shots.

    The squared error of a seed varies by 12 % at most, so the slope by 0.002: five deviations, and
    less than one false alarm in a million.
    """
    u = picture((24, 20), 10)
    law = ds.solve(u, Kernel(**KERNELS["a wind"]), grid=grid_of(u.shape), times=[1],
                   method="stencil").frames[0]  # fmt: skip
    numbers, errors = 10 ** np.arange(2, 7), []
    for shots in numbers.tolist():
        drawn = (counted(u, shots, seed) * (np.sum(law) / shots) for seed in range(12))
        apart = [np.sum((counts - law) ** 2) / np.sum(law**2) for counts in drawn]
        errors.append(np.sqrt(np.mean(apart)))
        assert errors[-1] == pytest.approx(expected_noise(law, shots), rel=0.2)
    assert np.polyfit(np.log(numbers), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.01)


def test_where_shots_fall_depends_on_seed_and_label_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    u = picture((8, 9), 11)
    first = counted(u, 5000)
    assert np.array_equal(counted(u, 5000), first)
    assert not np.array_equal(counted(u, 5000, seed=1), first)
    monkeypatch.setattr(circuit, "TOGETHER", 777)
    assert np.array_equal(counted(u, 5000), first)


def test_no_shot_falls_where_nothing_can_be() -> None:
    u = np.zeros((7, 6))
    u[2:4, 3] = 1.0, 2.0
    counts = counted(u, 10**5)
    law = ds.solve(u, Kernel(**KERNELS["a wind"]), grid=grid_of(u.shape), times=[1],
                   method="circuit").frames[0]  # fmt: skip
    assert not np.any(counts[law == 0.0])
    assert np.count_nonzero(law) == 8
    assert np.all(counts[law > 0.0])


def test_the_comparison_judges_the_field_by_round_off_and_the_shots_beside_it() -> None:
    """A field that is the reference's, and shots that are or are not. False alarm: 6e-6."""
    u = picture((16, 12), 12)
    wind, grid = Kernel(**KERNELS["a wind"]), grid_of(u.shape)
    stencil = ds.solve(u, wind, grid=grid, times=[0, 1, 4], method="stencil")
    run = ds.solve(u, wind, grid=grid, times=[0, 1, 4], method=Circuit(shots=10**5))
    assert run.facts["statistical"] is False
    run.facts.update(prediction="bound", predicted=[0.0, 1e-12, 1e-12])
    assert comparison.compare([stencil, run], run.times)["circuit"].verdict == "as predicted"
    assert run.counts is not None
    run.counts[2] = run.counts[1]
    assert comparison.compare([stencil, run], run.times)["circuit"].verdict == "unexplained"


# --- what it takes ------------------------------------------------------------------------------


def test_qubits_and_gates_are_those_counted_by_hand() -> None:
    """128 x 128 cells between mirrors and 9 x 9 moves.

    7 + 7 qubits for the cells, one more each for the images, 4 + 4 for the moves. To load 14 and 8
    qubits: 2^14 - 1 + 2^8 - 1 rotations, 2^14 - 2 + 2^8 - 2 CNOT. Two adders of 8 bits: 15 Toffoli
    and 37 CNOT each.
    """
    mirrors = [("reflect", "reflect")] * 2
    found = resources((128, 128), (9, 9), mirrors)
    assert (found.positions, found.mirrors, found.moves) == ((7, 7), (1, 1), (4, 4))
    assert found.qubits == 24
    assert found.rotations == 16383 + 255
    assert found.cnots == 16382 + 254 + 2 * 37
    assert found.toffolis == 2 * 15


@pytest.mark.parametrize(
    ("n", "m", "sides", "qubits", "toffolis"),
    [
        (8, 3, ("wrap", "wrap"), 3 + 0 + 2, 5),
        (8, 3, ("reflect", "reflect"), 3 + 1 + 2, 7),
        # All that can be reached: 8 + 2 cells, so 4 bits; no sum is taken modulo anything.
        (8, 3, ("zero", "zero"), 4 + 0 + 2, 7),
        (8, 3, ("reflect", "zero"), 4 + 0 + 2, 7),
        # A ring of 9 takes five adders of 4 bits.
        (9, 3, ("wrap", "wrap"), 4 + 0 + 2, 5 * 7),
        # A single move is no register, and in a single cell of a ring nothing moves.
        (8, 1, ("wrap", "wrap"), 3, 0),
        (1, 3, ("wrap", "wrap"), 2, 0),
    ],
)
def test_each_kind_of_side_takes_its_own_register(
    n: int, m: int, sides: Any, qubits: int, toffolis: int
) -> None:
    found = resources((n,), (m,), [sides])
    assert (found.qubits, found.toffolis) == (qubits, toffolis)


def test_every_position_and_move_has_a_state_of_its_qubits() -> None:
    for shape, edges in itertools.product([(9, 7), (8, 16), (1, 5)], EDGES):
        view = viewed(shape, "wide", edges)
        found = resources(shape, view.kernel.shape, view.sides)
        for axis, places in enumerate(circuit.registers(shape, view)):
            assert len(places) <= 2 ** (found.positions[axis] + found.mirrors[axis])
            assert len(places) > 2 ** (
                found.positions[axis] + found.mirrors[axis] - 1
            ) or shape == (1, 5)
            assert view.kernel.shape[axis] <= 2 ** found.moves[axis]


def test_notes_and_facts_tell_what_it_takes() -> None:
    u = picture((16, 8))
    course = runs.plan(Circuit(label="quantum"), Kernel(**KERNELS["a wind"]), grid_of(u.shape),
                       [1.0])  # fmt: skip
    (words,) = course.method.notes(u, course.grid)
    assert words == (
        "quantum: 13 qubits (4 + 3 for the position, 2 for mirrors, 2 + 2 for the move) and about "
        "142 rotations, 179 CNOT and 16 Toffoli gates an application"
    )
    assert course.facts()["qubits"] == 13
    assert list(Circuit().notes(u, course.grid)) == []


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "edges", "start", "words"),
    [
        ({"kernel": "edge-detector", "normalise": "none"}, "no-flux", 1.0, "propagator.normalise"),
        ({"kernel": "sharpen", "normalise": "sum"}, "no-flux", 1.0, "propagator.normalise"),
        ({"kernel": "box", "normalise": "sum", "applied": "correlation"}, "no-flux", 1.0,
         "propagator.applied"),
        ({"kernel": "box", "normalise": "sum"}, {"x": {"value": 1.0}}, 1.0, "grid.edges"),
        ({"kernel": "box", "normalise": "sum"}, "no-flux", -1.0, "below zero"),
        ({"kernel": "box", "normalise": "sum"}, "no-flux", 0.0, "zero everywhere"),
    ],
)  # fmt: skip
def test_what_has_no_square_root_or_no_place_is_refused_in_a_sentence(
    kernel: Any, edges: Any, start: float, words: str
) -> None:
    with pytest.raises(Unsupported, match=f"circuit cannot .*{words}.*These can: .*stencil"):
        ds.solve(np.full((6, 5), start), Kernel(**kernel), grid=grid_of((6, 5), edges), times=[1],
                 method="circuit")  # fmt: skip


def test_too_many_amplitudes_are_refused_with_what_they_would_take() -> None:
    wide = Kernel(kernel={"kind": "box", "size": 15}, normalise="sum")
    u = np.ones((512, 512))
    with pytest.raises(Unsupported, match=r"2\^26.*28 qubits.*rotations.*Take fewer.*stencil"):
        ds.solve(u, wide, grid=grid_of(u.shape), times=[1], method="circuit")


def test_more_shots_than_are_drawn_one_by_one_are_refused_with_what_can() -> None:
    u = np.ones((6, 5))
    box = Kernel(kernel="box", normalise="sum")
    with pytest.raises(Unsupported, match="not 1e\\+08; the method collapse"):
        ds.solve(u, box, grid=grid_of(u.shape), times=[1], method=Circuit(shots=10**8))
    with pytest.raises((Invalid, ValueError), match="shots"):
        Circuit(shots=0)


def test_auto_does_not_think_of_quantum_computers() -> None:
    u = picture((4, 4))
    course = runs.plan(Auto(), Kernel(**KERNELS["a wind"]), grid_of(u.shape), [1.0])
    assert "circuit" not in str(course.facts())
