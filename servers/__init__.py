"""What starts by itself and stops again: a server is a context manager with a URL."""
