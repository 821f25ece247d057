"""Between the socket and the driver: what passes, and what is refused."""
