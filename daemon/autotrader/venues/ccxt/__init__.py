"""A real exchange through ccxt: its account, by requests and by its stream."""
