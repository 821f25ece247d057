"""One connection to a server, from the socket to the login."""
