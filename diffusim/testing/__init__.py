"""The contract that every method keeps, for those who write one, and the oracle that it is held to.

In the tests of a package that brings a method::

    from diffusim.testing import contract

    def test_my_method_keeps_the_contract():
        contract(MyMethod)
"""

from diffusim.testing.contract import contract, counts_p_value
from diffusim.testing.oracle import extrapolated, finer_truth, lattice_truth, oracle_matrix
from diffusim.testing.problems import Barrier, Cage, Layered, Problem, problems

__all__ = [
    "Barrier",
    "Cage",
    "Layered",
    "Problem",
    "contract",
    "counts_p_value",
    "extrapolated",
    "finer_truth",
    "lattice_truth",
    "oracle_matrix",
    "problems",
]
