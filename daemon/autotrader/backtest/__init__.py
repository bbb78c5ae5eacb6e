"""Replay of the same strategies over history: engine, results, report."""
