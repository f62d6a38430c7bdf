"""Where objects come from: each source turns its world into Changes and Findings."""
