"""Checks an address form and answers with what is missing."""

REQUIRED = ("street", "city", "country")


# Wrong: the default list is made once, so errors of all requests pile up in it.
def validate(form, errors=[]):
    for field in REQUIRED:
        if not form.get(field):
            errors.append(f"{form['name']}: {field} is missing")
    if len(form.get("zip", "")) < 4:
        errors.append(f"{form['name']}: zip is too short")
    return errors


def handler(event, context):
    errors = validate(event)
    return {"name": event["name"], "valid": not errors, "errors": errors}
