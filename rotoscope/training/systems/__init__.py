"""One file per training system: its networks, its losses and one training step."""
