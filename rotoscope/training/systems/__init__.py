"""Training systems: one file each with its networks, losses and training step; `runs` trains them, `catalogue` lists them."""
