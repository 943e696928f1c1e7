"""Renders a greeting by a script that takes its settings from the environment."""
import os
import subprocess
import sys

SCRIPT = "import os; print(os.environ.get('GREETING_LANGUAGE', 'en'), os.environ['GREETING_NAME'])"
WORDS = {"en": "Hello", "de": "Hallo", "fr": "Bonjour", "es": "Hola"}


def handler(event, context):
    # Right: the child gets an environment of its own, the worker's stays as it is.
    environment = {**os.environ, "GREETING_NAME": event["name"]}
    if "language" in event:
        environment["GREETING_LANGUAGE"] = event["language"]
    run = subprocess.run([sys.executable, "-S", "-E", "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    language, name = run.stdout.strip().split(" ", 1)
    return {"greeting": f"{WORDS[language]}, {name}!"}
