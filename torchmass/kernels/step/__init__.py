"""A step as scalar operations: traced, made shorter, differentiated, and cut where nodes wait for each other."""
