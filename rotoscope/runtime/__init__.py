"""The torch-free half: read, translate, write."""
