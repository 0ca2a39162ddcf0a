"""What edge and workers both stand on; it imports neither."""
