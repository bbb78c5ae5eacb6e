"""The ground floor: errors, time, units, events and plain view data. Imports nothing above it."""
