"""A real exchange's market while it runs: bars, trades, quotes and books, in order and without gaps."""
