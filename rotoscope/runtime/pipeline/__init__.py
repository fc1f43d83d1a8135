"""One run: a source, the stages between, a sink. Decides which stages go together and in which order they run."""
