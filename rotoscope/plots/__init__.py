"""Charts, sheets and pictures of measurements as SVG text, HTML or arrays; they need only NumPy and OpenCV."""
