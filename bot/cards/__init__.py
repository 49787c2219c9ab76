"""Neutral parts to platform payloads: pure functions."""
