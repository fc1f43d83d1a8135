"""Outputs of a live run: streams, files, a virtual camera, nothing."""
