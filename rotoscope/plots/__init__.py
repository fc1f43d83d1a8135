"""Pictures of measurements as SVG with nothing but NumPy and OpenCV: one file each, which opens in any browser."""
