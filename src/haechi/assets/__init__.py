"""Package data: the embedded base and the demo's world."""
