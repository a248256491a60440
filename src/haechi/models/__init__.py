"""One base, many roles: loading, what a role changes, heads, the trunk, the merge."""
