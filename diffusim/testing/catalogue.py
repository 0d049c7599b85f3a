"""The media, shapes and events that methods are tried on."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from diffusim.block import Array
from diffusim.testing.problems import (
    Along,
    Barrier,
    Cage,
    Layered,
    Problem,
    Scheduled,
    Side,
)

# Neither axis like the other, so that no exchange of the two goes unseen.
H, W = (1e-3, 1e-3), (1e-3, 1.4e-3)
TIMES = (0.0, 180.0, 180.6, 600.0)
LIFTED, LOWERED = (-math.inf, 300.0), (300.0, math.inf)
LINE, RING = (False,), (True,)
# A flux and a velocity of the size of D / h; a power of two, see `Side`.
SPEED = 2.0**-20


def problems() -> list[Problem]:
    """Return the media, shapes and events that a method is tried on; what changes does at 300 s.

    The list is the caller's own, the problems are the same every time.
    """
    return list(_all())


@cache
def _all() -> list[Problem]:
    return [*closed(), *opened(), *membranes(), *stirred(), *round_ones(), everything()]


def held(*table: Along | tuple[float, Along]) -> Side:
    """A value held on a side: a number, or one tuple (start, number) after another."""
    return Side("value", _table(table))


def fed(*table: Along | tuple[float, Along]) -> Side:
    """A flux into the grid, written like `held`."""
    return Side("flux", _table(table))


def leaky(transfer: float, *table: Along | tuple[float, Along]) -> Side:
    """A transfer to a value outside, written like `held`."""
    return Side("transfer", _table(table), transfer)


def _table(entries: tuple[object, ...]) -> tuple[tuple[float, Along], ...]:
    """One number or one tuple of numbers along the side holds for ever."""
    return ((0.0, entries[0]),) if len(entries) == 1 else entries  # type: ignore[return-value]


def _uneven(shape: tuple[int, ...] = (6, 5), seed: int = 5) -> Array:
    return 1.5e-9 * (0.2 + np.random.default_rng(seed).random(shape))


def _stream(shape: tuple[int, ...], seed: int) -> Array:
    """A stream function that is zero on the rim, so that nothing flows through it."""
    psi = np.zeros([n + 1 for n in shape])
    inside = (slice(1, -1),) * 2
    psi[inside] = 2e-9 * np.random.default_rng(seed).normal(size=psi[inside].shape)
    return psi


def closed() -> list[Problem]:
    """Water at rest in a closed box: shapes, rings, walls and uneven diffusivities."""
    blocked = _uneven()
    blocked[2, 1:3] = 0.0
    jump = np.where(np.random.default_rng(8).random((6, 5)) < 0.5, 1.5e-8, 1.5e-11)
    island = np.zeros((6, 5), dtype=bool)
    island[1, 1], island[3:5, 2], island[5, 4] = True, True, True
    return [
        Problem("even", (8, 6), H, TIMES),
        Problem("cells that are not square, prime numbers of them", (7, 5), W, TIMES),
        Problem("a wall across", (7, 5), W, TIMES, barriers=(Barrier(0, 3),)),
        Problem("walls across both axes", (6, 5), W, TIMES,
                barriers=(Barrier(0, 2), Barrier(1, 4))),
        Problem("a wall with a gap", (6, 5), W, TIMES, barriers=(Barrier(1, 2, (1, 4)),)),
        Problem("a wall lifted half-way", (7, 5), W, TIMES,
                barriers=(Barrier(0, 3, None, LIFTED),)),
        Problem("a wall lowered half-way", (6, 5), W, TIMES,
                barriers=(Barrier(1, 3, None, LOWERED),)),
        Problem("a gap opened half-way", (6, 4), W, TIMES,
                barriers=(Barrier(0, 3, (0, 1)), Barrier(0, 3, (1, 4), LIFTED))),
        Problem("every cell walled", (5, 4), W, TIMES, barriers=(Cage(((0, 5), (0, 4))),)),
        Problem("every cell walled until half-way", (5, 4), W, TIMES,
                barriers=(Cage(((0, 5), (0, 4)), LIFTED),)),
        Problem("cells of a region walled until half-way", (6, 5), W, TIMES,
                barriers=(Cage(((1, 4), (2, 5)), LIFTED),)),
        Problem("uneven, with obstacles", (6, 5), W, TIMES, diffusivity=blocked),
        Problem("layers", (6, 5), W, TIMES, diffusivity=Layered(1, (2, 3), (2e-9, 5e-10, 1e-9))),
        Problem("layers in one dimension", (9,), (1e-3,), TIMES, LINE,
                Layered(0, (4,), (2e-9, 3e-10))),
        Problem("uneven rings", (6, 5), W, TIMES, (True, True), diffusivity=blocked),
        Problem("two layers closed to a ring", (2,), (1e-3,), TIMES, RING,
                Layered(0, (1,), (2e-9, 3e-10))),
        Problem("periodic along x", (7, 5), W, TIMES, (True, False)),
        Problem("periodic along both", (5, 6), W, TIMES, (True, True)),
        Problem("a ring cut by a wall", (7, 4), W, TIMES, (True, False), barriers=(Barrier(0, 2),)),
        Problem("a ring walled at its seam until half-way", (5, 6), W, TIMES, (True, True),
                barriers=(Barrier(1, 6, None, LIFTED),)),
        Problem("a ring walled at part of its seam", (6, 4), W, TIMES, (True, False),
                barriers=(Barrier(0, 0, (1, 3)),)),
        Problem("one dimension", (5,), (1e-3,), TIMES, LINE),
        Problem("a ring in one dimension", (5,), (1e-3,), TIMES, RING),
        Problem("one cell wide", (1, 6), W, TIMES),
        Problem("one cell high, periodic along both", (6, 1), W, TIMES, (True, True)),
        Problem("a ring of two cells", (2, 3), W, TIMES, (True, False)),
        Problem("a single cell", (1, 1), W, TIMES, (True, False)),
        Problem("a diffusivity for each axis", (6, 5), W, TIMES, diffusivity=(2e-9, 7e-10)),
        Problem("nothing moves along y", (6, 5), W, TIMES, diffusivity=(2e-9, 0.0)),
        Problem("nothing moves", (4, 3), W, TIMES, diffusivity=0.0),
        Problem("frames that miss zero and meet an event", (6, 5), W,
                (110.7, 400.0 / 3.0, 300.0, 611.3),
                barriers=(Barrier(0, 3, None, LIFTED),)),
        Problem("a jump of one to a thousand", (6, 5), W, TIMES, diffusivity=jump),
        Problem("diffusivities in turn", (6, 5), W, TIMES,
                diffusivity=Scheduled((0.0, 300.0), (2e-9, (5e-10, 1e-9)))),
        Problem("maps of diffusivities in turn", (6, 5), W, TIMES,
                diffusivity=Scheduled((0.0, 300.0), (_uneven(), _uneven(seed=6)))),
        Problem("solid cells", (6, 5), W, TIMES, solid=island),
        Problem("solid cells in a ring", (6, 5), W, TIMES, (True, False), solid=island),
    ]  # fmt: skip


def opened() -> list[Problem]:
    """Sides of every kind, decay and sources."""
    steps = (0.25, 1.0, 0.5, 0.0, 0.75)
    gains = 1e-3 * np.random.default_rng(9).random((6, 5))
    rates = 1e-3 * np.random.default_rng(10).random((6, 5))
    flux = tuple(SPEED * step for step in steps)
    return [
        Problem("values held at both ends", (6,), (1e-3,), TIMES, LINE,
                sides={(0, 0): held(1.0), (0, 1): held(0.25)}),
        Problem("a value of zero held on one side", (6, 5), W, TIMES, sides={(0, 1): held(0.0)}),
        Problem("another edge on every side", (6, 5), W, TIMES,
                sides={(0, 0): held(1.0), (0, 1): leaky(2e-6, 0.5), (1, 0): fed(SPEED)}),
        Problem("every edge told cell by cell", (5, 5), W, TIMES,
                sides={(0, 0): held(steps), (0, 1): fed(flux), (1, 0): leaky(3e-7, steps)}),
        Problem("transfer through all sides", (5, 6), W, TIMES,
                sides={(axis, end): leaky(1e-6 * (1 + axis + 2 * end), 0.5 * end)
                       for axis in (0, 1) for end in (0, 1)}),
        Problem("a flux drawn off and a value below zero", (6, 5), W, TIMES,
                sides={(0, 0): fed(-SPEED), (1, 1): held(-0.5)}),
        Problem("a value changed half-way", (6, 5), W, TIMES,
                sides={(0, 0): held((0.0, 1.0), (300.0, 0.25))}),
        Problem("edges changed half-way, cell by cell", (6, 5), W, TIMES, (False, False),
                sides={(0, 0): held((0.0, steps), (300.0, 0.5)),
                       (0, 1): fed((0.0, SPEED), (300.0, flux)),
                       (1, 1): leaky(1e-6, (0.0, 1.0), (300.0, 0.0))}),
        Problem("a ring between two edges", (6, 5), W, TIMES, (True, False),
                sides={(1, 0): fed(SPEED), (1, 1): leaky(1e-6, 0.25)}),
        Problem("a held side walled until half-way", (6, 5), W, TIMES,
                barriers=(Barrier(0, 0, None, LIFTED),), sides={(0, 0): held(1.0)}),
        Problem("one cell wide between two edges", (1, 4), W, TIMES,
                sides={(0, 0): held(1.0), (0, 1): leaky(1e-6, 0.0)}),
        Problem("decay", (6, 5), W, TIMES, decay=1e-3),
        Problem("decay cell by cell, uneven", (6, 5), W, TIMES, diffusivity=_uneven(),
                decay=rates),
        Problem("nothing but decay and a source", (4, 3), W, TIMES, diffusivity=0.0, decay=1e-3,
                source=2e-3),
        Problem("nothing but a source", (4, 3), W, TIMES, diffusivity=0.0, source=2e-3),
        Problem("a source in a closed box", (6, 5), W, TIMES, source=gains),
        Problem("a source, a sink and decay between edges", (6, 5), W, TIMES, decay=1e-3,
                source=gains - 5e-4, sides={(0, 0): held(1.0), (1, 1): leaky(1e-6, 0.5)}),
    ]  # fmt: skip


def membranes() -> list[Problem]:
    """Walls that let something through."""
    return [
        Problem("a membrane across", (6, 5), W, TIMES,
                barriers=(Barrier(0, 3, None, permeability=4e-7),)),
        Problem("a membrane with a gap", (6, 5), W, TIMES,
                barriers=(Barrier(1, 2, (1, 4), permeability=4e-7),)),
        Problem("a membrane lifted half-way", (6, 5), W, TIMES, diffusivity=_uneven(),
                barriers=(Barrier(0, 2, None, LIFTED, 4e-7),)),
        Problem("two membranes on one face, one lifted half-way", (6, 5), W, TIMES,
                barriers=(Barrier(0, 2, None, LIFTED, 4e-7),
                          Barrier(0, 2, (0, 3), permeability=1e-6))),
        Problem("membranes round the cells of a region", (6, 5), W, TIMES,
                barriers=(Cage(((1, 4), (2, 5)), LIFTED, 5e-7),)),
        Problem("a membrane on a seam and one on a held side", (6, 5), W, TIMES, (True, False),
                barriers=(Barrier(0, 6, (1, 5), permeability=4e-7),
                          Barrier(1, 5, None, permeability=8e-7)),
                sides={(1, 1): held(1.0)}),
    ]  # fmt: skip


def stirred() -> list[Problem]:
    """Water that flows."""
    through = _stream((6, 5), 13)
    # The same differences along both ends, and none along the sides that stay closed.
    through[:, -1] = 3e-9
    through[0] = through[-1] = np.linspace(0.0, 3e-9, 6)
    round_ring = _stream((6, 5), 14)
    round_ring[-1, 1:-1] = round_ring[0, 1:-1] = 1e-9 * np.array([1.0, -0.5, 2.0, 1.5])
    round_ring[:, -1] = 1.5e-9
    barren = _uneven()
    barren[2, 3] = 0.0
    return [
        Problem("stirred in a closed box", (6, 5), W, TIMES, stream=_stream((6, 5), 11)),
        Problem("stirred until half-way, uneven, decaying", (6, 5), W, TIMES, diffusivity=_uneven(),
                decay=1e-3, stream=_stream((6, 5), 12), stirred=LIFTED),
        Problem("stirred from half-way on, a cell without diffusion", (6, 5), W, TIMES,
                diffusivity=barren, stream=_stream((6, 5), 12), stirred=LOWERED),
        Problem("stirred ten times as fast as it diffuses", (6, 5), W, TIMES, diffusivity=1.5e-10,
                stream=_stream((6, 5), 11)),
        Problem("drift round a ring", (6,), (1e-3,), TIMES, RING, drift=(2e-6,)),
        Problem("drift round both rings", (6, 5), W, TIMES, (True, True), drift=(2e-6, -1e-6)),
        Problem("stirred ring", (6, 5), W, TIMES, (True, False), stream=round_ring),
        Problem("drift between held values", (6,), (1e-3,), TIMES, LINE, drift=(-2e-6,),
                sides={(0, 0): held(1.0), (0, 1): held(0.25)}),
        Problem("flow from a held side to a leaky one", (6, 5), W, TIMES, diffusivity=_uneven(),
                stream=through, sides={(0, 0): held(1.0), (0, 1): leaky(2e-6, 0.5)}),
        Problem("stirred through a membrane", (6, 5), W, TIMES, stream=_stream((6, 5), 15),
                barriers=(Barrier(0, 3, None, LIFTED, 1e-6),)),
    ]  # fmt: skip


def round_ones() -> list[Problem]:
    """Discs, cylinders and spheres."""
    steps = (0.25, 1.0, 0.5, 0.0, 0.75)
    h = (1e-3,)
    return [
        Problem("a disc", (6,), h, TIMES, LINE, geometry="cylindrical"),
        Problem("a sphere", (6,), h, TIMES, LINE, geometry="spherical"),
        Problem("a sphere in layers with its surface held", (6,), h, TIMES, LINE,
                Layered(0, (3,), (2e-9, 3e-10)), sides={(0, 1): held(1.0)}, geometry="spherical"),
        Problem("a hollow sphere fed from within", (5,), h, TIMES, LINE, geometry="spherical",
                inner=2e-3, sides={(0, 0): fed(SPEED), (0, 1): leaky(1e-6, 0.5)}),
        Problem("a hollow cylinder, its sides held", (6,), h, TIMES, LINE, geometry="cylindrical",
                inner=2e-3, sides={(0, 0): held(1.0), (0, 1): held((0.0, 0.25), (300.0, 0.5))}),
        Problem("a cylinder, uneven, with a leaky rim", (6, 5), W, TIMES, diffusivity=_uneven(),
                geometry="cylindrical", sides={(0, 1): leaky(1e-6, steps)}),
        Problem("a closed cylinder with a wall", (6, 5), W, TIMES, geometry="cylindrical",
                barriers=(Barrier(0, 3, (1, 4)), Barrier(1, 2, None, LIFTED, 4e-7))),
        Problem("a hollow cylinder closed to a torus", (5, 6), W, TIMES, (False, True),
                geometry="cylindrical", inner=3e-3, diffusivity=(2e-9, 1e-9)),
        Problem("a cylinder with all that it can have", (6, 5), W, TIMES, geometry="cylindrical",
                inner=1e-3, diffusivity=_uneven(), decay=1e-3, source=1e-3,
                barriers=(Barrier(0, 3, (0, 2), LIFTED),),
                sides={(0, 0): held(1.0), (0, 1): fed(SPEED), (1, 0): leaky(1e-6, 0.5)}),
    ]  # fmt: skip


def everything() -> Problem:
    """A box with all that it can have."""
    random = np.random.default_rng(21)
    solid = np.zeros((6, 5), dtype=bool)
    solid[4, 3] = True
    stream = _stream((6, 5), 22)
    stream[0] = stream[-1] = 3e-9 * np.array([0.0, 0.3, 0.4, 0.6, 0.9, 1.0])
    stream[:, -1] = 3e-9
    stream[4:6, 3:5] = 1e-9
    stream[3, 1:3] = 2e-9
    return Problem(
        "everything at once", (6, 5), W, TIMES,
        diffusivity=Scheduled((0.0, 300.0), (_uneven(), _uneven(seed=6))),
        barriers=(Barrier(0, 2, None, LIFTED, 1e-6), Barrier(0, 3, (1, 2)),
                  Barrier(1, 0, (2, 4), LOWERED)),
        sides={(0, 0): held((0.0, (0.25, 1.0, 0.5, 0.0, 0.75)), (300.0, 0.5)),
               (0, 1): leaky(2e-6, 0.5), (1, 0): fed(SPEED)},
        solid=solid, decay=1e-3 * random.random((6, 5)), source=1e-3 * random.random((6, 5)),
        stream=stream, stirred=LIFTED,
    )  # fmt: skip
