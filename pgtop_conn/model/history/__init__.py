"""What polls say over time: trends, moments, usage."""
