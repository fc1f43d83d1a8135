"""One file for each engine; `assembly.engines` has the table of them. All implement `base.engine.Engine`."""
