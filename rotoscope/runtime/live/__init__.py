"""Sources and sinks that do not end: cameras, network streams, screens, the web page."""
