"""What the commands share: the parser, values, exit codes, and several polls as one observation."""
