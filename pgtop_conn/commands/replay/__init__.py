"""replay: a recording on the screen."""
