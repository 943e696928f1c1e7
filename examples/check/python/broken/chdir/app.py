"""Packs the parts of a delivery note into one text."""
import os
import pathlib
import tempfile

os.chdir(tempfile.mkdtemp(prefix="notes-"))


def handler(event, context):
    folder = pathlib.Path(event["delivery"])
    folder.mkdir(parents=True, exist_ok=True)
    # Wrong: the working folder is the process's; the next request starts inside this delivery's folder.
    os.chdir(folder)
    for name, text in event["parts"].items():
        pathlib.Path(name).write_text(text)
    packed = sorted(p.name for p in pathlib.Path(".").iterdir() if p.is_file())
    depth = len(pathlib.Path.cwd().parts) - len(pathlib.Path(tempfile.gettempdir()).parts)
    return {"delivery": event["delivery"], "parts": packed, "depth": depth}
