"""Trainings side by side: each in a process of its own, with the cases shared by all."""
