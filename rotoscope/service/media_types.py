"""The kinds of files that the service takes and gives: Content-Type and ending."""

PICTURES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
CLIPS = {"video/mp4": ".mp4", "video/webm": ".webm", "video/x-matroska": ".mkv", "video/quicktime": ".mov"}
TYPES = {ending: kind for kind, ending in {**PICTURES, **CLIPS}.items()}
