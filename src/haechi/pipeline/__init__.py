"""The graph of stages, their fingerprints, the run folder and the display of progress."""
