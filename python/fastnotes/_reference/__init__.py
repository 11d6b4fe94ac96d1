<<<<<<< HEAD
"""NumPy twins of the kernels: short, right, never optimised."""
=======
"""NumPy twins of the kernels: short, float64, and never sped up.

They are what the contracts in ``cpp/`` say, in the fewest words. Nothing here imports
compiled code.
"""
>>>>>>> evidence
