"""What keeps a translated video from flickering. Each is one or two stages around the generator; `plan` puts them together."""
