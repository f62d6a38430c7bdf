"""Bytes -> documents -> Objects or Findings. Knows no file and no API server: sources read, this understands."""
