"""Parts of a medium, each with its keys: diffusivity, walls, obstacles, flow, rates in cells."""
