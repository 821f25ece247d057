"""Each cause and each healthy shape, built on a real server by real clients, and what the diagnosis says of it."""
