"""The health check of the images: ends with 0 if the server of `rotoscope live` or `rotoscope serve` answers, else with 1."""

import os
import sys
import urllib.error
import urllib.request

port = os.environ.get("ROTOSCOPE_HEALTH_PORT", "8000")
try:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
        sys.exit(answer.status != 200)
except (urllib.error.URLError, TimeoutError) as error:
    sys.exit(f"no answer: {error}")
