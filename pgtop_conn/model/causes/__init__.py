"""Causes: what is wrong with the slots, with evidence. Add a cause: an entry in diagnosis.CAUSES."""
