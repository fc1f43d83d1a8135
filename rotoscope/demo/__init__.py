"""The demo scene: real photographs as layers under a hand-held camera; true flow, noise, sound and a clip of it."""

from rotoscope.demo.clip import make_clip
from rotoscope.demo.scene import Scene
from rotoscope.demo.sensor import Sensor
from rotoscope.demo.sound import arpeggio

__all__ = ["Scene", "Sensor", "arpeggio", "make_clip"]
