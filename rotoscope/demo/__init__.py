"""The demo clip: photographs as layers under a hand-held camera, with true flow, noise and sound; and a page about it."""

from rotoscope.demo.clip import make_clip
from rotoscope.demo.scene import Scene
from rotoscope.demo.sensor import Sensor
from rotoscope.demo.sound import arpeggio

__all__ = ["Scene", "Sensor", "arpeggio", "make_clip"]
