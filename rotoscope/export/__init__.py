"""From torch modules and checkpoints to model files."""
