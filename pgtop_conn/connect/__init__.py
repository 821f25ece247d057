"""From a Login to an open Source, or to advice on what to do next."""
