"""The host door: process titles and operating-system signals on the server's host."""
