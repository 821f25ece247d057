"""Real pools and drivers, healthy and leaking, recorded on real servers, and what is said of each recording."""
