"""What differs from trajectory to trajectory of a dataset: the keys that say so, and the draws."""
