"""Exchanges behind one protocol: what they are asked, and what they tell."""
