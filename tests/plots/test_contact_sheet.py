"""Where pictures and labels stand on a contact sheet."""

import numpy as np

from rotoscope.plots.contact_sheet import GAP, TEXT_HEIGHT, contact_sheet, fitted, text_width

HEAD = TEXT_HEIGHT + 3 * GAP
RED, GREEN = np.uint8([200, 20, 20]), np.uint8([20, 200, 20])


def plain(colour, height=40, width=60):
    return np.full((height, width, 3), colour, np.uint8)


def test_every_picture_stands_in_its_row_and_column():
    sheet = contact_sheet(
        [("source", [plain(RED), plain(GREEN)]), ("model", [plain(GREEN), plain(RED)])], ["0 s", "1 s"], height=80
    )
    assert sheet.shape == (HEAD + 2 * (80 + GAP), 2 * 120 + GAP, 3)
    for column, colours in enumerate(((RED, GREEN), (GREEN, RED))):
        for row, colour in enumerate(colours):
            top, left = HEAD + row * (80 + GAP), column * (120 + GAP)
            assert (sheet[top + 60 : top + 80, left : left + 120] == colour).all()


def test_pictures_of_an_upscaler_fill_the_same_cell():
    sheet = contact_sheet([("a", [plain(RED)]), ("b", [plain(GREEN, 80, 120)])], [""], height=40)
    assert (sheet[HEAD + 30 : HEAD + 40, 60 + GAP :] == GREEN).all() and sheet.shape[1] == 2 * 60 + GAP


def test_columns_and_frames_are_labelled():
    def dark(part):
        return int((part.max(axis=2) < 100).sum())

    sheet = contact_sheet([("source", [plain(255)]), ("model", [plain(255)])], ["0.50 s"], height=80)
    assert dark(sheet[:HEAD, :120]) > 20 and dark(sheet[:HEAD, 120 + GAP :]) > 20
    assert dark(sheet[HEAD : HEAD + 30, :120]) > 20 and dark(sheet[HEAD:, 120 + GAP :]) == 0


def test_long_labels_lose_their_middle():
    assert fitted("short", 200) == "short"
    label = fitted("experiment_with_a_long_name_net_G_A_epoch_195", 160)
    assert text_width(label) <= 160 and label.startswith("exp") and label.endswith("195") and ".." in label
