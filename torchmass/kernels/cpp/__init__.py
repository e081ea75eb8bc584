"""Kernels for CPUs: C++ of a step, the loops in `include/` that run it, and how both become a loaded library."""
