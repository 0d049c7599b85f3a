"""Everything compiled: sweeps over cells, random numbers, particles.

Importing this package alone loads nothing; numba arrives with the first of its modules.
"""
