"""Query texts without their literals and secrets."""
