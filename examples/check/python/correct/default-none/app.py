"""Checks an address form and answers with what is missing."""

REQUIRED = ("street", "city", "country")


def validate(form, errors=None):
    # Right: a list of this call's own where the caller brings none.
    errors = [] if errors is None else errors
    for field in REQUIRED:
        if not form.get(field):
            errors.append(f"{form['name']}: {field} is missing")
    return errors


def handler(event, context):
    errors = validate(event)
    if len(event.get("zip", "")) < 4:
        errors = validate({"name": event["name"], "street": "-", "city": "-", "country": "-"}, errors + ["zip is too short"])
    return {"name": event["name"], "valid": not errors, "errors": errors}
