"""The contract that every method keeps, for those who write one, and the oracle that it is held to.

In the tests of a package that brings a method::

    from diffusim.testing import contract

    def test_my_method_keeps_the_contract():
        contract(MyMethod)
"""

from diffusim.testing.catalogue import problems
from diffusim.testing.contract import contract, counts_p_value
from diffusim.testing.oracle import (
    Dense,
    Truth,
    extrapolated,
    finer_truth,
    lattice_truth,
    ledger_truth,
    oracle,
    oracle_matrix,
    steady_state,
)
from diffusim.testing.problems import Barrier, Cage, Layered, Problem, Scheduled, Side
from diffusim.testing.trial import Split, Trial, by_scheme, turned

__all__ = [
    "Barrier",
    "Cage",
    "Dense",
    "Layered",
    "Problem",
    "Scheduled",
    "Side",
    "Split",
    "Trial",
    "Truth",
    "by_scheme",
    "contract",
    "counts_p_value",
    "extrapolated",
    "finer_truth",
    "lattice_truth",
    "ledger_truth",
    "oracle",
    "oracle_matrix",
    "problems",
    "steady_state",
    "turned",
]
