"""Causal indicators and the expression language over them. One definition gives the column and the next value."""
