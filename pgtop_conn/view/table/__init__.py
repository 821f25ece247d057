"""The table: columns, groups, lines, cells."""
