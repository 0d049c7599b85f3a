"""The command line as ``python -m diffusim.cli``."""

from diffusim.cli import main

main()
