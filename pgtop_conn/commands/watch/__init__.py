"""The monitor: an open Source on the screen."""
