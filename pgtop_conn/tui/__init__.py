"""The screen: the only importer of textual; it draws what it is given."""
