"""Which routes are attached to which listeners and Services, and why others are not."""
