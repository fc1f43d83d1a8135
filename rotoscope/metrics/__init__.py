"""Measures of videos: steadiness, sharpness, fidelity. Pictures are (H,W,3) RGB arrays, uint8 or float in [0,1].

evaluator, sweep              measure video files; the rest takes arrays
evaluation, curves            all measures of one result, frame by frame
warping_error, paired_warping_error, gradient_energy, lattice, patch_consistency, response, fidelity, frechet, confusion
                              one measure each
feature_distances             LPIPS, FID, VFID, VLPIPS: networks with weights by path; the only module that needs torch
label_scores, holes           FCN scores of pictures and label maps; masks of filled holes
mean_error, score_table       mean, standard error, Wilson interval; a table of methods and measures
table_file, table_scores      methods on many clips: what to measure, and the measuring
choices, published_weights    results of blind tests; where weights are published
matched, rgb_array, pareto    reading videos side by side; the array type; choosing a setting
"""
