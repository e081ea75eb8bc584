"""Simulations that were set up for The Virtual Brain, which is read by attribute and never imported."""

from torchmass.tvb.simulation import from_tvb as from_tvb
