"""The pages, in a process of their own that holds no trading state."""
