"""Scores of answers and of reward models, and whether a difference between two systems is more than chance."""
