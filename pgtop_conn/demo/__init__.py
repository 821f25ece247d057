"""The embedded PostgreSQL and the applications that leak in it, to try everything on."""

from __future__ import annotations

from pgtop_conn.demo.launch import run_headless, running_demo

__all__ = ["run_headless", "running_demo"]
