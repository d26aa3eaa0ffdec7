"""Consensuses as derivatives of BIDS."""
