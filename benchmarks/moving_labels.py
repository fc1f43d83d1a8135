"""Streams of label maps that move: a generated street with cars, balls that fall and bounce, and a camera that pans.

Each scene is drawn from its seed, so training scenes and held-out scenes never share one. Labels: 0 sky, 1 house, 2 road,
3 car, 4 wheel, 5 ball. A pixel's label follows from geometry alone, and no frame repeats another.
"""

from pathlib import Path

import cv2
import numpy as np

NUM_LABELS = 6
SKY, HOUSE, ROAD, CAR, WHEEL, BALL = range(NUM_LABELS)
COLOURS = np.array(
    [[120, 180, 230], [190, 150, 110], [90, 90, 90], [210, 40, 60], [20, 20, 20], [250, 210, 40]], np.uint8
)
GRAVITY = 0.16  # pixels per frame and frame


def scene(seed, num_frames, size=(96, 64)):
    """Return label maps (T,H,W) uint8 of one scene; size (width, height) in pixels."""
    random = np.random.default_rng((18, seed))
    width, height = size
    ground = random.uniform(0.62, 0.75) * height
    pan = random.uniform(-1.2, 1.2)
    houses = [
        (x + random.uniform(0, 10), random.uniform(10, 26), random.uniform(0.15, 0.5) * height)
        for x in range(-140, width + 140, 34)
    ]
    cars = [
        (
            random.uniform(-10, width),
            random.uniform(-2.2, 2.2),
            random.uniform(16, 26),
            random.uniform(0.05, 0.2) * height,
        )
        for _ in range(random.integers(1, 4))
    ]
    balls = [
        [random.uniform(0, width), random.uniform(4, 0.5 * height), random.uniform(-1.5, 1.5), random.uniform(-1, 1),
         random.uniform(3, 6), random.uniform(0.75, 0.95)]
        for _ in range(random.integers(1, 4))
    ]  # fmt: skip
    frames = []
    for time in range(num_frames):
        frames.append(street(width, height, ground, houses, cars, balls, pan * time, time))
        for ball in balls:
            fall(ball, ground + 8)
    return np.stack(frames)


def fall(ball, floor):
    """Move a ball by one frame: gravity, and a bounce on the floor that keeps a share of its speed."""
    ball[3] += GRAVITY
    ball[0] += ball[2]
    ball[1] += ball[3]
    if ball[1] + ball[4] > floor and ball[3] > 0:
        ball[1], ball[3] = floor - ball[4], -ball[3] * ball[5]


def street(width, height, ground, houses, cars, balls, shift, time):
    """Draw one map (H,W) uint8; lengths and places in pixels, drawn to a sixteenth of one."""
    labels = np.full((height, width), SKY, np.uint8)
    labels[round(ground) :] = ROAD
    for left, across, tall in houses:
        box(labels, left - shift, ground - tall, left + across - shift, ground, HOUSE)
    for left, speed, long, below in cars:
        x, base = left + speed * time - 0.5 * shift, ground + below
        high = 0.36 * long
        box(labels, x, base - high, x + long, base, CAR)
        box(labels, x + 0.22 * long, base - 1.6 * high, x + 0.78 * long, base - high, CAR)
        for place in (0.22, 0.78):
            disc(labels, x + place * long, base, 0.14 * long, WHEEL)
    for x, y, _, _, radius, _ in balls:
        disc(labels, x, y, radius, BALL)
    return labels


def box(labels, left, top, right, bottom, label):
    """Fill a rectangle."""
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    cv2.fillConvexPoly(labels, np.int32(np.round(corners * 16)), int(label), shift=4)


def disc(labels, x, y, radius, label):
    """Fill a circle."""
    cv2.circle(labels, (round(x * 16), round(y * 16)), round(radius * 16), int(label), -1, shift=4)


def write_scenes(folder, seeds, num_frames, size=(96, 64)):
    """Write scenes as folders of one-channel PNG files, FOLDER/scene00000/00000.png ..."""
    for seed in seeds:
        place = Path(folder) / f"scene{seed:05d}"
        place.mkdir(parents=True)
        for index, labels in enumerate(scene(seed, num_frames, size)):
            cv2.imwrite(str(place / f"{index:05d}.png"), labels)
