"""Model files: opening, inspecting and caching them. No engine runs here."""
