"""Propagators: *what* carries a field. One file each; the file's name is the word in YAML.

A propagator never holds the grid. It offers views, methods called ``name(grid, time, ...)`` that
exist or not, and raises ``Unsupported`` in words where this instance has none:

=========  ===================================================================================
generator  the affine generator, two numbers on each face
symbol     per axis a transform or an eigenbasis, and a multiplier for any duration
medium     what particles between planes need: spread per time and the planes round each cell
=========  ===================================================================================

It also states its traits, each with the key that causes it, so that methods can refuse in the
user's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from diffusim.block import Array, Invalid, Member
from diffusim.grid import Grid

Limit = Literal["lattice", "continuum", "cell-to-cell"]


class Propagator(Member, family="diffusim.propagators"):
    """What carries a field forward in time; see the package's text for the views it may offer."""

    always: ClassVar[frozenset[str]] = frozenset()

    def traits(self, _grid: Grid) -> dict[str, str]:
        """Traits of this instance, each with the YAML key that brings it."""
        return {}

    def events(self, _grid: Grid) -> tuple[float, ...]:
        """Times in s at which the medium really changes on this grid."""
        return ()

    def accounts(self, _grid: Grid) -> tuple[str, ...]:
        """Names of what a ledger of this medium counts, none where nothing comes in or leaves."""
        return ()

    def notes(self, _grid: Grid) -> Iterator[str]:
        """Say what a user should know of this medium on this grid."""
        return iter(())

    def check(self, _grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with this instance on this grid."""
        return iter(())

    def prepare(self, u: Array, _grid: Grid) -> Array:
        """Turn an initial field into what this propagator carries."""
        return u

    def observe(self, u: Array, _grid: Grid) -> Array:
        """Turn what is carried back into a field to look at."""
        return u
