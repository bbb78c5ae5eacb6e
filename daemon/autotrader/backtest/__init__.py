"""The same strategies over history: engine, metrics, report, optimize."""
