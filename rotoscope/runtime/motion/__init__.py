"""Motion between neighbouring source frames: where it comes from, and how it travels with them."""
