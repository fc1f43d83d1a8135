"""The public functions: one call for everything that the command line can do. `rotoscope/__init__.py` lists them."""
