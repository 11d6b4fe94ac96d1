"""NumPy twins of the kernels: short, right, never optimised."""
