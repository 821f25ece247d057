"""Real pools and drivers, healthy and leaking, recorded on real servers, and the verdict on each recording."""
