"""Votes that do not repeat: masses of binary patterns in the place of a table of votes."""
