"""Moves money between accounts of a ledger."""
import sqlite3

db = sqlite3.connect(":memory:")
db.execute("create table moves (account text, cents integer)")


def balance(account):
    return db.execute("select coalesce(sum(cents), 0) from moves where account = ?", [account]).fetchone()[0]


def handler(event, context):
    # Right: the block ends the transaction in any case, by commit or by rollback.
    with db:
        before = balance(event["to"])
        db.execute("insert into moves values (?, ?)", [event["from"], -event["cents"]])
        db.execute("insert into moves values (?, ?)", [event["to"], event["cents"]])
        if event["cents"] <= 0:
            raise ValueError(f"{event['cents']} cents can't be moved")
        after = balance(event["to"])
        db.execute("delete from moves where account in (?, ?)", [event["from"], event["to"]])
    return {"to": event["to"], "before": before, "after": after}
