"""The filter language: text to a predicate."""
