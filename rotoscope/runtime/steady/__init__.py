"""Stages that keep a translated video from flickering; `runtime.pipeline.steadiness` chooses which go together."""
