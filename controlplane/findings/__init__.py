"""Every finding there is, whoever made it, and how findings are printed."""
