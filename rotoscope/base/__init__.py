"""The nouns, protocols and small tools that every other room uses. This room imports nothing of Rotoscope."""
