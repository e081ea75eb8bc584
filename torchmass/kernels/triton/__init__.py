"""Kernels for GPUs: Triton of a step with its loop inside, what it calls, and how a call is launched."""
