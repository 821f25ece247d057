"""Small applications, one for each driver, that do what they are told on their standard input: see speech.py."""
