"""BIDS: consensuses as derivatives."""
