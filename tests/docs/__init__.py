"""What README.md and docs/ promise is run."""
