"""Training data: folders of pictures, frames of clips, synthetic motion."""
