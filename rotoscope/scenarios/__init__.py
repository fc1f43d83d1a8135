"""What `rotoscope bench` measures, one scenario each; `live` sends numbered frames through a live run and reads them again."""
