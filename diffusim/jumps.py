"""The generator read as chances: where a particle jumps to, where it leaves, where others come in.

With the transition matrix P = 1 + L / fastest a particle in cell i jumps to a neighbour with
probability rate / fastest, leaves through an account with its own, and stays otherwise. Jumping so
Poisson-many times is exp(t L) (uniformisation). What comes in, b, is a stream of particles: each
is born in a cell, through an account, at a time of its own.

A. Jensen, Skand. Aktuarietidskr. 36 (1953) 87-91.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.generator import Generator


class Jumps(NamedTuple):
    """What can happen to a particle, and what comes in; cells are counted in C order.

    Parameters
    ----------
    rates : (cells, 4 + accounts) array
        Rates in 1/s of a jump to the cell below and above along the first axis of a plane, then
        along the second, and of leaving by each account. A field of one axis is one row.
    fastest : float
        Rate in 1/s at which every particle is asked, at least as large as any row's sum.
    births, cells, doors : arrays of length m
        What comes in, in field units times volume per s, into which cell, by which account.
    """

    rates: Array
    fastest: float
    births: Array
    cells: Array
    doors: Array

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return int(self.rates.shape[1]) - 4

    @property
    def chances(self) -> Array:
        """Probabilities of the moves and exits, in the shape of the rates."""
        return np.asarray(self.rates / (self.fastest or 1.0))


def jumps(generator: Generator) -> Jumps:
    """Read a generator as chances of particles.

    Raises
    ------
    Unsupported
        Where something is taken away whether it is there or not, which no particle can do.
    """
    shape = generator.shape
    own = generator.moves()
    moves = [np.zeros(shape)] * (4 - len(own)) + own
    exits, births, cells, doors = [], [], [], []
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    names = generator.accounts

    def arrives(account: int, amounts: Array, where: Array) -> None:
        amounts = np.broadcast_to(amounts, where.shape).ravel()
        if np.min(amounts, initial=0.0) < 0.0:
            raise Unsupported(
                f"particles come in by the account {names[account]}, or leave from where they are; "
                "it takes away what need not be there (a negative value, flux or source, "
                f"{'propagator.source' if names[account] == 'source' else 'grid.edges'})"
            )
        some = amounts > 0.0
        births.append(amounts[some])
        cells.append(where.ravel()[some])
        doors.append(np.full(int(np.sum(some)), account))

    for account, rim in enumerate(generator.rims):
        place = generator.beside(rim)
        measure = np.take(generator.faces[rim.axis].measure, [-1 if rim.high else 0], rim.axis)
        rate = np.zeros(shape)
        rate[place] = rim.give / measure
        exits.append(rate)
        arrives(account, rim.take * generator.volume[place] / measure, numbers[place])
    if generator.loss is not None:
        exits.append(np.broadcast_to(generator.loss, shape))
    if generator.source is not None:
        exits.append(np.zeros(shape))
        arrives(len(exits) - 1, generator.source * generator.volume, numbers)
    rates = np.stack([rate.ravel() for rate in (*moves, *exits)], axis=1)
    none = np.zeros(0, dtype=int)
    return Jumps(rates, generator.fastest, np.concatenate([np.zeros(0), *births]),
                 np.concatenate([none, *cells]), np.concatenate([none, *doors]))  # fmt: skip
