"""The living daemon: the trading loop, recovery, reload, the control socket, health."""
