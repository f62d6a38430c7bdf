"""What translators ask of a View: the joins across inputs, memoised. One file a question."""
