"""Files of ours: how they are written and read, whatever stands in their place."""
