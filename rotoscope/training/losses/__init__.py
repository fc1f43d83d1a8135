"""Losses and discriminators that several systems share."""
