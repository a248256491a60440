"""Generated worlds of invented facts: what happens in them, how it is told, and what is asked."""
