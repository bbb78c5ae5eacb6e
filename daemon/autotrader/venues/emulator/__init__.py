"""A Binance spot exchange on loopback, on recorded prices: what a real client meets, without the network."""
