"""Moments kept and read again: Ring in memory, Recorder into a file, Recording out of it. Pure but for that file.

encoder.py and decoder.py turn a moment into an item of bytes and back, player.py finds any of a chain of blocks;
framing.py is the file's grammar. All of it is the standard library's, and nothing of it trusts what it reads.
"""
