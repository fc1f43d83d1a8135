"""Measures of videos: arrays in, numbers out. Every picture is (H,W,3) RGB, uint8 or float in [0,1].

`warping_error`, `gradient_energy`, `response`, `fidelity`, `patch_consistency`, `frechet` and `confusion` need no torch;
`lpips`, `inception` and `video_features` run networks from weights by path.
"""
