"""The propagator: *what* carries a field. The members of the family are the files of `propagators`.

A propagator never holds the grid. It offers views, methods called ``name(grid, time, ...)`` that
exist or not, and raises ``Unsupported`` in words where this instance has none:

===========  =================================================================================
generator    the affine generator, two numbers on each face
symbol       per axis a transform or an eigenbasis, and a multiplier for any duration
medium       what particles between planes need: spread per time and the planes round each cell
convolution  a kernel that is applied a whole number of times, and what the sides do to it
split        the levels of a wave's potential in the cells, and the symbol of the free wave
===========  =================================================================================

It also states its traits, each with the key that causes it, so that methods can refuse in the
user's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np

from diffusim.block import Array, Invalid, Member, Unsupported
from diffusim.grid import Grid
from diffusim.phrases import with_article

Limit = Literal["lattice", "continuum", "cell-to-cell"]
Clock = Literal["seconds", "applications"]

# Applications are whole numbers, but for the rounding of a division.
WHOLE = 1e-9
MOST_APPLICATIONS = 10**9


class Propagator(Member, family="diffusim.propagators"):
    """What carries a field forward in time; see the package's text for the views it may offer."""

    always: ClassVar[frozenset[str]] = frozenset()
    # What its time is counted in: one that is applied a whole number of times knows no seconds.
    clock: ClassVar[Clock] = "seconds"
    # Whether what it carries is a complex wave, of which the square is looked at.
    waves: ClassVar[bool] = False
    # What a field is from the first application on, where that is another quantity than the start.
    becomes: ClassVar[str] = ""
    # By trait: what a user may change so that there is none.
    remedies: ClassVar[Mapping[str, str]] = {}

    def __eq__(self, other: object) -> bool:
        """Whether all keys are the same, whatever was made of them so far."""
        return type(self) is type(other) and all(
            getattr(self, key) == getattr(other, key) for key in type(self).model_fields
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, which keeps nothing that was made of values it no longer has."""
        copy = super().model_copy(update=update, deep=deep)
        for name, attribute in type(self).__private_attributes__.items():
            setattr(copy, name, attribute.get_default(call_default_factory=True, validated_data={}))
        return copy

    @property
    def called(self) -> str:
        """The word with its article, as it stands in a sentence."""
        return with_article(self.word)

    @staticmethod
    def kernels() -> list[str]:
        """Words of all propagators that are applied a whole number of times."""
        return [
            word
            for word, kind in Propagator.everyone()
            if not isinstance(kind, Unsupported) and kind.clock == "applications"
        ]

    @property
    def beside(self) -> int:
        """How many further fields are stored with every frame."""
        return 0

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

    def finds(self, _u: Array, _grid: Grid) -> Iterator[str]:
        """Say what is found in a start, where it is carried to find something in it."""
        return iter(())

    def keeps(self, _grid: Grid) -> bool:
        """Whether the total changes by the accounts only, so that what else it does is an error."""
        return True

    def facts(self, _u: Array, _grid: Grid) -> dict[str, Any]:
        """Numbers that are stored with every run, of what becomes of this start by themselves."""
        return {}

    def check(self, _grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with this instance on this grid."""
        return iter(())

    def prepare(self, u: Array, _grid: Grid) -> Array:
        """Turn an initial field into what this propagator carries; what is that already stays.

        Raises
        ------
        Invalid
            When this start is nothing that it could carry.
        """
        return u

    def observe(self, u: Array, _grid: Grid) -> Array:
        """Turn what is carried back into a field to look at."""
        return u

    def tells(self, _u: Array, _segment: Any, _key: tuple[int, int]) -> dict[str, Array]:
        """Arrays stored beside a frame, from what is carried at the end of a segment.

        Parameters
        ----------
        u : array
            What is carried, before it is turned into a field to look at.
        segment : Segment
            The stretch of time that has just ended, whose views are known.
        key : tuple of int
            Two words that key what is drawn for this frame.
        """
        return {}

    def counted(self, times: Array) -> Array:
        """Frame times by this propagator's clock: in s as they are, of applications whole numbers.

        Raises
        ------
        Invalid
            When a number of applications is not whole; its path is the number of the frame.
        """
        if self.clock == "seconds":
            return times
        whole = np.rint(times)
        for number in np.flatnonzero(np.abs(times - whole) > WHOLE * np.maximum(1.0, whole)):
            raise Invalid(
                f"frame times must be whole: {self.called} is applied a whole number of times, and "
                f"frame {number + 1} of {times.size} would be at {times[number]:.6g}; give "
                "'at: [0, 1, 2]', or a 'stop' and 'frames' that meet whole numbers",
                int(number),
            )
        if whole[-1] > MOST_APPLICATIONS:
            raise Invalid(
                f"{applications(whole[-1])} are more than {MOST_APPLICATIONS:g}", whole.size - 1
            )
        return np.asarray(whole)

    def moment(self, time: float) -> str:
        """Say when something is: ``at t = 20 s``, or ``after 4 applications``."""
        return f"at t = {time:g} s" if self.clock == "seconds" else f"after {applications(time)}"


def applications(count: float) -> str:
    """Say a number of applications.

    Examples
    --------
    >>> applications(1.0), applications(4.0)
    ('1 application', '4 applications')
    """
    return f"{count:.12g} application{'' if count == 1.0 else 's'}"
