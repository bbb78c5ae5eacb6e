"""autotrader: a trading daemon that is declared, not programmed."""
