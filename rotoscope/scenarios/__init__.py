"""The scenarios of `rotoscope bench`; `live` sends numbered frames through a live run and reads them again."""
