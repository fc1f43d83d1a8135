"""Motion between neighbouring source frames: estimating it, judging it, finding cuts, fitting it to a result's size."""
