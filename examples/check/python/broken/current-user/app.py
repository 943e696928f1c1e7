"""Lists the documents that the caller may see."""
DOCUMENTS = {
    "handbook": None,
    "salaries": "maria.keller",
    "roadmap": "jonas.weber",
    "contract": "maria.keller",
}

# Wrong: stays as the last signed-in caller left it, and an anonymous request then runs as that user.
current_user = None


def sign_in(headers):
    global current_user
    if "authorization" in headers:
        current_user = headers["authorization"].removeprefix("Bearer ")


def may_see(owner):
    return owner is None or owner == current_user


def handler(event, context):
    sign_in(event.get("headers", {}))
    visible = sorted(name for name, owner in DOCUMENTS.items() if may_see(owner))
    return {"query": event["query"], "user": current_user, "documents": visible}
