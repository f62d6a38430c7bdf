"""What is to stand in the status of objects: one file for kinds whose statuses are alike."""
