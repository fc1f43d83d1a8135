"""The template arguments with which tests compile each CUDA source: all that they launch, and all that a run launches."""

import itertools


def _each(pattern, *choices):
    return [pattern.format(*choice) for choice in itertools.product(*choices)]


PIXELS, FLOWS, SAMPLINGS = ("float4", "uchar3", "float"), ("float2", "Half2"), ("bilinear", "cubic")
CODES = ("unsigned char", "unsigned short", "float")
INSTANCES = {
    "warp": _each("warp<{}, {}, {}>", PIXELS, FLOWS, SAMPLINGS),
    "blend": [*_each("blend<{}, float2, {}>", PIXELS, SAMPLINGS), "blend<float4, Half2, bilinear>"],
    "interpolate": _each("interpolate<{}, float2, {}>", PIXELS, SAMPLINGS),
    "occlusion": _each("occlusion<{}>", FLOWS),
    "compose_flow": _each("compose_flow<{}>", FLOWS),
    "invert_flow": [*_each("splat<{}>", FLOWS), "settle<float2>"],
    "resize": [
        *_each("resize<{}>", PIXELS),
        *_each("resize_grey<{}, {}>", CODES, CODES),
        *_each("resize_flow<{}>", FLOWS),
        *_each("resize_components<{}>", ("float", "unsigned short")),
    ],
    "color_in": [
        *_each("color_in<{}, {}>", ("unsigned char", "unsigned short"), ("float", "Half2", "float4", "unsigned char")),
        *_each(
            "rgb_in<{}, {}>",
            ("unsigned char", "unsigned short", "float"),
            ("float", "Half2", "float4", "unsigned char"),
        ),
    ],
    "color_out": _each("{}<{}>", ("rgb_out", "luma_out", "ycc_out"), ("unsigned char", "unsigned short")),
    "halve": ["halve<float>"],
    "inverse_search": _each("inverse_search<{}>", ("from_zero", "from_coarser", "from_patches")),
    "densify_flow": ["densify_flow<float2>"],
    "refine_flow": ["linearise<float2>", "smooth<float2>"],
    "sums": ["plane_partials", "fold"],
    "agreement": [
        *_each("{}<{}>", ("compare", "judge"), ("unsigned char", "float")),
        *_each("gauss_across<{}>", ("unsigned char", "float")),
        *("windows_across", "windows_down", "still_votes", "stop_flows", "trust_down"),
    ],
    "detail": [
        *_each("{}<{}>", ("pyramid_down", "band_of", "band_energy"), ("float", "float4")),
        *("grey_of", "octave_gains", "octave_aims", "collapse", "collapse_onto"),
    ],
    "composite": ["composite"],
    "hdr_from_sdr": ["hdr_from_sdr"],
    "place_map": [
        *_each("place_numbers<{}, {}>", ("unsigned char", "unsigned short", "int"), ("float", "int")),
        *_each("place_hole<{}>", ("float", "unsigned short", "unsigned char", "bool")),
    ],
    "flicker": ["flicker_partials"],
    "mix": [
        *_each("mix<{}>", ("float", "float4")),
        "weighted_sum",
        "flows_between",
        "trust_along",
        "exchange_luma",
        "complement",
        "share_of_second",
    ],
    "ramp": ["past_weight", "look_ahead_weights"],
    "interleave": ["interleave<float>", "interleave<Half2>"],
    "aggregate": [
        *_each(
            "aggregate<{}, float2, {}, {}, bilinear>",
            PIXELS,
            (2, 7),
            ("median, none", "median, masks", "mean, none", "mean, masks", "mean, weights"),
        ),
        *_each("aggregate<float, float2, 5, {}, none, bilinear>", ("median", "mean")),
        *_each("aggregate<float4, Half2, 3, median, none, {}>", SAMPLINGS),
        "aggregate<float4, float2, 3, median, masks, bilinear>",
        "aggregate<float, float2, 15, median, none, bilinear>",
        "aggregate<float, float2, 15, median, masks, bilinear>",
    ],
}
