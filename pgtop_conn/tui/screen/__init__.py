"""The monitor's screen."""
