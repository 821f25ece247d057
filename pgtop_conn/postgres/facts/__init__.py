"""What is read on demand: settings, the server log, memory."""
