"""The service of `rotoscope serve`: pictures and short clips over HTTP."""
