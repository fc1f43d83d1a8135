"""What a file is that is not what it should be, by its first bytes: the second half of an error line."""

from pathlib import Path

SIGNS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (git lfs pull fetches it)"),
    (b"<!doctype", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
    (b"\x89hdf\r\n", "an HDF5 file of Keras; export it to ONNX with tf2onnx"),
    (b"pk\x03\x04", "a zip archive or a PyTorch checkpoint"),
    (b"\x80", "a pickle, perhaps a PyTorch checkpoint"),
    (b"\x08", "perhaps an ONNX file (its name should end in .onnx)"),
)


def what_it_is(path: Path) -> str:
    """For example "a web page; download the file itself"."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "an empty file"
    for sign, what in SIGNS:
        if head.lstrip().lower().startswith(sign):
            return what
    return "something of no known kind, or damaged"
