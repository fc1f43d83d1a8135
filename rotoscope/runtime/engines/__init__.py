"""One file per engine, all behind `engine.Engine`."""
