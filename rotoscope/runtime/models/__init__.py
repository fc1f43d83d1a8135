"""What a model file is: opening, inspecting and caching it. No engine runs here."""
