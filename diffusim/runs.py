"""Runs: the only time loop, from a plan that may refuse to frames at exactly their times.

Records, a few numbers of the field at finer times, come with the frame that follows them.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import tee
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array, Invalid, Unsupported
from diffusim.channels import Carrier, together
from diffusim.channels import contents_of as contents_of
from diffusim.channels import revived as revived
from diffusim.channels import taken_apart as taken_apart
from diffusim.channels import traits_of as traits_of
from diffusim.grid import Grid
from diffusim.methods import Beginning, Method, Plan, Prediction, refusal
from diffusim.propagators import Propagator
from diffusim.records import Record, Recording
from diffusim.segment import Segment, cut, random_key

Progress = Callable[[float], None]

# Views of so many epochs are kept from planning to running; with more they are made anew.
EPOCHS_KEPT = 4


class Diverged(Exception):
    """A field that is no longer finite."""


class Frame(NamedTuple):
    """A field at one of the times asked for, and all that is needed to go on from it.

    ``records`` holds by name what was recorded since the frame before, up to this very time.
    """

    time: float
    field: Array
    extras: dict[str, Array]
    state: Any
    seconds: float
    records: dict[str, Array]

    @property
    def counts(self) -> Array | None:
        """Integer counts behind the field, where the method counts."""
        return self.extras.get("counts")


@dataclass(frozen=True, eq=False)
class Course:
    """A method settled on a propagator, with every segment planned: ready to go.

    Parameters
    ----------
    method, propagator, grid
        Who carries what, where.
    times : array
        Frame times in s, or in applications where the propagator counts those.
    seed : int
        Seed of the scenario; the method's name keys its own random numbers.
    segments, plans : list
        What lies between the frames and records, and what the method will do there.
    channels : int
        How many fields it carries along a first axis; 0 where there is no such axis.
    recording : Recording or None
        What is recorded at finer times than frames.
    """

    method: Method
    propagator: Propagator
    grid: Grid
    times: Array
    seed: int
    segments: list[Segment]
    plans: list[Plan]
    channels: int = 0
    recording: Recording | None = None

    @property
    def name(self) -> str:
        """Name of the method in this run."""
        return self.method.name

    @property
    def steps(self) -> int:
        """Steps in all, those of one channel."""
        return sum(plan.steps for plan in self.plans)

    @property
    def seconds(self) -> float:
        """Seconds of work expected."""
        return max(1, self.channels) * sum(plan.seconds for plan in self.plans)

    @property
    def carrier(self) -> Carrier:
        """The method, as it carries all channels."""
        return Carrier(self.method, self.propagator, self.grid, self.channels)

    def facts(self) -> dict[str, Any]:
        """What is stored beside the frames, but for the time they took."""
        facts = {**self.method.facts(), "steps": self.steps, "seed": self.seed,
                 "statistical": self.method.statistical}  # fmt: skip
        if self.channels:
            facts["channels"] = self.channels
        if not self.propagator.keeps(self.grid):
            facts["keeps"] = False
        accounts = self.propagator.accounts(self.grid)
        return {**facts, "accounts": list(accounts)} if accounts else facts

    def begin(self, u: Array) -> Any:
        """The state at time zero."""
        return self.carrier.begin(u, self._origin())

    def _origin(self) -> Segment:
        """Before the first segment: no duration, and a key of its own."""
        key = random_key(self.seed, self.name, 0)
        views = self.segments[0].views if self.segments else {}
        return Segment(self.grid, self.propagator, 0.0, 0.0, 0.0, 0.0, -1, key, 0, views=views)

    def warm(self, u: Array) -> None:
        """Go a vanishing way into every epoch, so that loops are loaded before they count.

        One channel is enough, and what is applied a whole number of times is applied once.
        """
        method = self.method.least()
        carrier = Carrier(method, self.propagator, self.grid, 0)
        state = carrier.begin(u[0] if self.channels else u, self._origin())
        for segment in self.segments:
            if segment.start == segment.since:
                vanishing = self.propagator.clock == "seconds"
                instant = 1e-9 * segment.duration if vanishing else 1.0
                short = replace(segment, stop=segment.start + instant, duration=instant)
                state = method.advance(state, short)

    def frames(
        self, u: Array, done: int = 0, state: Any = None, progress: Progress | None = None
    ) -> Iterator[Frame]:
        """Yield the frames from number ``done`` on.

        Parameters
        ----------
        u : array
            Initial field.
        done, state
            How many frames there are already, and the state at the last of them.
        progress : callable, optional
            Told the fraction of the work done, several times a second.

        Raises
        ------
        Diverged
            When a field is not finite any more.
        ValueError
            When frames are done but their state is missing.
        """
        if done and state is None:
            raise ValueError("to go on from a frame takes the state at that frame")
        started = clock.perf_counter()
        here = float(self.times[done - 1]) if done else 0.0
        if state is None:
            state = self.begin(u)
        carrier = self.carrier
        work = np.cumsum([0.0, *(plan.seconds for plan in self.plans)])
        work = work / work[-1] if work[-1] > 0 else np.linspace(0.0, 1.0, work.size)
        records = _Records(self.recording)
        if not done:
            # At time zero the medium is what it is from then on.
            first = self.segments[0] if self.segments else self._origin()
            records.take(carrier, state, first, 0.0)
            if self.times[0] == 0.0:
                yield self._frame(state, started, self._origin(), records)
                started = clock.perf_counter()
        wanted = set(map(float, self.times))
        for segment in self.segments:
            if segment.start < here:
                continue
            before, after = work[segment.index], work[segment.index + 1]
            if progress is not None:
                pulse = _part(progress, before, after)
                segment = replace(segment, pulse=pulse)
                pulse(0.0)
            state = carrier.advance(state, segment)
            records.take(carrier, state, segment, segment.stop)
            if segment.stop in wanted:
                yield self._frame(state, started, segment, records)
                started = clock.perf_counter()
            _let_go(self.segments, segment)
        if progress is not None:
            progress(1.0)

    def _frame(self, state: Any, started: float, segment: Segment, records: _Records) -> Frame:
        time = segment.stop
        u = self.carrier.observe(state)
        if not np.all(np.isfinite(u)):
            raise Diverged(
                f"{self.name}: the field is no longer finite {self.propagator.moment(time)}"
            )
        drawn = random_key(self.seed, f"{self.name} drawn", segment.index + 1)
        extras = self.carrier.extras(state, segment, drawn)
        return Frame(time, u, extras, state, clock.perf_counter() - started, records.handed_out())

    def predictions(
        self, u: Array, reference: Iterable[Array], own: Iterable[Array] = ()
    ) -> Iterator[Prediction | None]:
        """Yield the error that theory expects in each frame.

        A method that can halve its steps is run once more with halved ones: of an error that falls
        as the power p of the step, the difference of the two is all but one part in 2^p.

        Parameters
        ----------
        u : array
            Initial field.
        reference, own : iterable of array
            The reference's fields and, for a method that halves its steps, those of this course.
        """
        finer = self.method.finer()
        if finer is not None and self.method.accuracy:
            power = 2.0**self.method.accuracy
            plans = [finer.plan(segment) for segment in self.segments]
            halved = replace(self, method=finer, plans=plans, recording=None)
            for mine, frame in zip(own, halved.frames(u), strict=True):
                yield Prediction(power / (power - 1.0) * (mine - frame.field))
            return
        # Leading terms are formed on frames, which tell of a wave its square only.
        untold = (
            self.propagator.waves
            and self.method.order is not None
            and not self.method.chooses_steps
        )
        if untold or type(self.method).predict is Method.predict:
            yield from [None] * len(self.times)
            return
        if self.channels:
            alone, copies = replace(self, channels=0), tee(reference, self.channels)
            each_own = [alone.predictions(u[c], map(itemgetter(c), copies[c]))
                        for c in range(self.channels)]  # fmt: skip
            yield from map(together, zip(*each_own, strict=True))
            return
        fields = iter(reference)
        wanted = set(map(float, self.times))
        here, known, prediction = u, 0.0, None
        if 0.0 in wanted:
            here = next(fields)
            yield Prediction(0.0)
        for segment, ends_epoch in zip(self.segments, _ends(self.segments), strict=True):
            if segment.stop in wanted:
                here, known = next(fields), segment.stop
            elif ends_epoch and not self.propagator.waves:
                # An event between frames: nobody kept the reference there, so the method itself
                # goes. Of a wave frames do not tell the phase, and its methods do without.
                here, known = self._carried(here, known, segment), segment.stop
            # At a mere record the last field known has to do: within an epoch what is predicted
            # at frames and events does not depend on it.
            prediction = self.method.predict(prediction, here, segment)
            if segment.stop in wanted:
                yield prediction

    def _carried(self, u: Array, since: float, segment: Segment) -> Array:
        """A field at a time of the epoch, as the method itself carries it to the segment's end."""
        if since != segment.start:
            segment = replace(segment, start=since, duration=segment.stop - since)
        state = self.method.begin(u, self._origin())
        return self.method.observe(self.method.advance(state, segment), self.grid)


@dataclass
class _Records:
    """What has been recorded since the last frame."""

    recording: Recording | None
    taken: list[dict[str, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        times = () if self.recording is None else self.recording.times
        self._wanted = set(map(float, times))

    def take(self, carrier: Carrier, state: Any, segment: Segment, time: float) -> None:
        """Record a state in the medium of a segment, if anything is wanted at this time."""
        if self.recording is not None and time in self._wanted:
            self.taken.append(self.recording.take(carrier.observe(state), segment))

    def handed_out(self) -> dict[str, Array]:
        """Return what was recorded by name, and begin anew."""
        found = {} if self.recording is None else self.recording.stacked(self.taken)
        self.taken.clear()
        return found


def _ends(segments: Sequence[Segment]) -> list[bool]:
    """Whether the medium changes at the end of each segment."""
    after = [segment.since for segment in segments[1:]]
    return [a.since != b for a, b in zip(segments, after, strict=False)] + [False] * bool(segments)


def _let_go(segments: Sequence[Segment], done: Segment) -> None:
    """Forget the views of an epoch that has ended, where there are many epochs."""
    after = segments[done.index + 1 : done.index + 2]
    if after and after[0].since != done.since and segments[-1].epoch > EPOCHS_KEPT:
        done.views.clear()


def _part(progress: Progress, before: float, after: float) -> Progress:
    return lambda fraction: progress(before + fraction * (after - before))


def plan(
    method: Method,
    propagator: Propagator,
    grid: Grid,
    times: Sequence[float] | Array,
    *,
    traits: Mapping[str, str] | None = None,
    seed: int = 0,
    channels: int = 0,
    beginning: Beginning | None = None,
    record: Record | None = None,
) -> Course:
    """Settle a method on a propagator and plan every segment before anything is computed.

    Parameters
    ----------
    times : sequence of float
        Frame times in s, increasing, none before zero; whole numbers where the propagator counts
        applications.
    traits : mapping, optional
        Traits of the initial field, beside those of the propagator.
    channels : int
        How many fields are carried along a first axis; 0 where there is no such axis.
    beginning : Beginning, optional
        What each of them holds at first, and the scenario that tells of it.
    record : Record, optional
        What is recorded at finer times than frames.

    Raises
    ------
    Unsupported
        When the method cannot carry this, with the reason and what can.
    Invalid
        When an option of the method is out of its range here, or record times are.
    """
    frames = np.atleast_1d(np.array(times, dtype=float))
    # NaN makes every comparison false, so it is asked what must hold.
    if not (frames.size and frames[0] >= 0 and np.all(np.diff(frames) > 0) and frames[-1] < np.inf):
        raise Invalid("frame times must grow from zero on")
    frames = propagator.counted(frames)
    found = {**propagator.traits(grid), **(traits or {})}
    if (reason := refusal(method, propagator, found)) is not None:
        raise Unsupported(reason)
    recording = None
    if record is not None:
        asked = record.resolved(propagator, frames)
        recording = Recording(asked, record.probes, grid, channels)
    return planned(method, propagator, grid, frames, seed=seed, channels=channels,
                   beginning=beginning, recording=recording)  # fmt: skip


def planned(
    method: Method,
    propagator: Propagator,
    grid: Grid,
    frames: Array,
    *,
    seed: int = 0,
    channels: int = 0,
    beginning: Beginning | None = None,
    recording: Recording | None = None,
    known: Sequence[Segment] = (),
) -> Course:
    """Settle and plan as `plan` does, what is known to suit the method as far as traits tell.

    Parameters are as there; frame times are by the propagator's clock already. ``known`` are
    segments of an earlier course with the same medium and frames, whose views are shared.

    Raises
    ------
    Unsupported, Invalid
        As there.
    """
    moments = np.union1d(frames, recording.times if recording else [])
    segments = cut(grid, propagator, [*map(float, moments)], seed, method.name)
    if known:
        segments = [replace(new, views=old.views)
                    for new, old in zip(segments, known, strict=True)]  # fmt: skip
    settled = method.settle(segments)
    settled = settled.started(beginning) if beginning is not None else settled
    plans = []
    for segment in segments:
        plans.append(settled.plan(segment))
        _let_go(segments, segment)
    return Course(settled, propagator, grid, frames, seed, segments, plans, channels, recording)
