"""Everything worth knowing about connections: pure, standard library only, no clock."""
