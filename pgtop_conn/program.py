"""The program's name, and what it is for, as everything that prints them has them. It imports nothing."""

from __future__ import annotations

PROGRAM = "pgtop-conn"
ABOUT = "who holds PostgreSQL's connection slots, who can still get in, and how to free the right ones"
