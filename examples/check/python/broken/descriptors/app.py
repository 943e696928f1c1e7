"""Looks words up in a dictionary file."""
import os
import pathlib

WORDS = pathlib.Path(__file__).with_name("words.txt")


def find(word):
    # Wrong: opened for each request, closed only where the word is not found.
    fd = os.open(WORDS, os.O_RDONLY)
    for line in os.read(fd, 65536).decode().splitlines():
        name, _, meaning = line.partition("\t")
        if name == word:
            return meaning
    os.close(fd)
    return None


def handler(event, context):
    return {"word": event["word"], "meaning": find(event["word"])}
