"""The embedded exchange: an account that is simulated, on recorded prices or on a real market as it runs."""
