"""One call of a network: its input arrays, window, state, statistics, and the picture that comes out."""
