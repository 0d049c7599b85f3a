"""auto: whatever exact method is cheapest, segment by segment, by a measured cost model.

Every method that is exact in the limit of the lattice, and can carry this medium from this start,
plans the segment; the one with the least seconds carries it. So even water is convolved for a short
time and transformed for a long one, and a medium without modes is expanded in polynomials. What was
chosen, and why, is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from pydantic import PrivateAttr

from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.methods import (
    ANY_START,
    GENERATOR,
    KERNEL,
    Balanced,
    Method,
    Plan,
    Prediction,
)
from diffusim.segment import Segment


class Auto(Balanced):
    """The cheapest exact method for the medium and the duration."""

    needs = ("symbol", "medium", "convolution", "generator")
    handles = GENERATOR | KERNEL | ANY_START | {"complex"}
    limit = "lattice"
    fields = 6.0

    # By the number of a segment: who carries it.
    _chosen: dict[int, Balanced] = PrivateAttr(default_factory=dict)
    _reasons: dict[str, str] = PrivateAttr(default_factory=dict)

    def settle(self, course: Sequence[Segment]) -> Self:
        """Choose for every segment."""
        settled = self.model_copy()
        settled._chosen, settled._reasons = {}, {}
        known: dict[tuple[int, float], Balanced] = {}
        candidates = self._candidates(course[0]) if course else []
        for segment in course:
            same = segment.epoch, segment.duration
            if same not in known:
                known[same] = settled._choice(segment, candidates)
            settled._chosen[segment.index] = known[same]
        return settled

    def _candidates(self, segment: Segment) -> list[Balanced]:
        """Exact methods that can carry this medium, as far as its traits tell."""
        propagator = segment.propagator
        # What a start may lack, this method has been asked about before.
        traits = set(propagator.traits(segment.grid))
        return [
            kind()
            for _, kind in Method.everyone()
            if not isinstance(kind, Unsupported)
            and issubclass(kind, Balanced)
            and kind is not Auto
            and kind.order is None
            and traits <= kind.handles
            and any(hasattr(propagator, view) for view in kind.needs)
        ]

    def _choice(self, segment: Segment, candidates: Sequence[Balanced]) -> Balanced:
        """The cheapest method of a segment, with the reason kept beside those of others."""
        costs: dict[str, float] = {}
        methods: dict[str, Balanced] = {}
        reasons = []
        for method in candidates:
            if method.limit != "lattice":
                continue
            try:
                costs[method.word] = method.plan(segment).seconds
                methods[method.word] = method
            except Unsupported as reason:
                reasons.append(f"{method.word}: {reason}")
        if not costs:
            raise Unsupported(f"auto finds no exact method here ({'; '.join(reasons)})")
        best, *others = sorted(costs, key=costs.__getitem__)
        beside = ", ".join(f"{word} {1e3 * costs[word]:.3g} ms" for word in others)
        self._reasons.setdefault(
            best, f"{1e3 * costs[best]:.3g} ms a jump" + (f", beside {beside}" if others else "")
        )
        return methods[best]

    def _of(self, segment: Segment) -> Balanced:
        if segment.index not in self._chosen:
            self._chosen[segment.index] = self._choice(segment, self._candidates(segment))
        return self._chosen[segment.index]

    def facts(self) -> dict[str, Any]:
        """What was chosen in how many segments, and why."""
        words = [method.word for method in self._chosen.values()]
        chosen = {word: words.count(word) for word in dict.fromkeys(words)}
        return {**super().facts(), "chosen": chosen, "reasons": dict(self._reasons)}

    def notes(self, _u: Array, _grid: Grid) -> Iterator[str]:
        """Say what was chosen."""
        for word, many in self.facts()["chosen"].items():
            all_ = len(self._chosen)
            yield f"{self.name} takes {word} in {many} of {all_} segments: {self._reasons[word]}"

    def plan(self, segment: Segment) -> Plan:
        """The plan of the chosen method."""
        return self._of(segment).plan(segment)

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Let the chosen method carry the field."""
        return self._of(segment).carry(u, segment, integrate=integrate)

    def advance(self, state: Any, segment: Segment) -> Any:
        """Let the chosen method carry the state, which is the same for all of them."""
        return self._of(segment).advance(state, segment)

    def predict(
        self, before: Prediction | None, reference: Array, segment: Segment
    ) -> Prediction | None:
        """The prediction of the chosen method."""
        return self._of(segment).predict(before, reference, segment)
