"""What a market is: instruments, bars, recorded history and the one matcher."""
