"""The web page of a live run: a server in a thread of its own, and the sink that feeds its pictures."""
