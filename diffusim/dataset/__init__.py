"""Datasets: thousands of trajectories of one scenario, each a little different."""
