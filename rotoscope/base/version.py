"""The version of Rotoscope, written once; also right where the source tree is on the path and nothing is installed."""

VERSION = "0.1.0"
