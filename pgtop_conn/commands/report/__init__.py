"""report: a recording as Markdown or HTML."""
