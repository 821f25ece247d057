"""The one place for Textual's insides: cells, the first frame, the driver."""
