"""What a monitor does over time, without Textual: polls, recordings, signals."""
