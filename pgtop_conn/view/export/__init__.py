"""JSON, CSV and the plugin's line."""
