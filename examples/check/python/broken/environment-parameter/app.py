"""Renders a greeting by a script that takes its settings from the environment."""
import os
import subprocess
import sys

SCRIPT = "import os; print(os.environ.get('GREETING_LANGUAGE', 'en'), os.environ['GREETING_NAME'])"
WORDS = {"en": "Hello", "de": "Hallo", "fr": "Bonjour", "es": "Hola"}


def handler(event, context):
    # Wrong: the variables outlive the request; the next one without a language speaks this one's.
    os.environ["GREETING_NAME"] = event["name"]
    if "language" in event:
        os.environ["GREETING_LANGUAGE"] = event["language"]
    run = subprocess.run([sys.executable, "-S", "-E", "-c", SCRIPT], capture_output=True, text=True, check=True)
    language, name = run.stdout.strip().split(" ", 1)
    return {"greeting": f"{WORDS[language]}, {name}!"}
