"""Everything that touches PyAV: opening, reading and writing of videos, pictures, sequences and y4m."""
