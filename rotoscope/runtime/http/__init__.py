"""Our HTTP servers, below the live page and the service: who may use them, where they listen, their thread."""
