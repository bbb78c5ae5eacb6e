"""Limits as pure functions, and the breakers that lock."""
