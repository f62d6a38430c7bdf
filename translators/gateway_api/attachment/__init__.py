"""Which routes attach to which listeners and Services, and what their parents' statuses report of them."""
