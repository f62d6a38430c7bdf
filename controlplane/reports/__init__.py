"""What `check` found, in the formats of terminals, scripts and CI systems: one file a format, each defines `report`."""
