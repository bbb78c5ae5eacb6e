"""From what is wanted to the commands that close the difference. Pure: no I/O, no clock, no randomness."""
