"""Comparisons of answers: who makes them, and how they become pairs."""
