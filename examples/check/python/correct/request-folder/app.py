"""Packs the parts of a delivery note into one text."""
import pathlib
import shutil


def handler(event, context):
    # Right: the folder has the request's id in its name and goes with it; paths are whole.
    folder = pathlib.Path("/tmp") / f"delivery-{context.aws_request_id}"
    folder.mkdir()
    try:
        for name, text in event["parts"].items():
            (folder / name).write_text(text)
        packed = "\n".join(p.read_text() for p in sorted(folder.iterdir()))
    finally:
        shutil.rmtree(folder)
    return {"delivery": event["delivery"], "packed": packed}
