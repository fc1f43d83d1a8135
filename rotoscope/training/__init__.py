"""One readable file per system: its losses and one training step."""
