"""Tests of outputs that appear whole, with their folders, or not at all."""
