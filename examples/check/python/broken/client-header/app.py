"""Asks the stock service of the caller's shop; the service runs in this file for the example."""
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"path": self.path, "tenant": self.headers.get("X-Tenant", "public")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Stock)
threading.Thread(target=server.serve_forever, daemon=True).start()


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.headers = {"Accept": "application/json"}

    def get(self, path):
        self.connection.request("GET", path, headers=self.headers)
        return json.load(self.connection.getresponse())


client = Client(server.server_port)


def handler(event, context):
    # Wrong: a header of one request is set on the client of all; who has no tenant gets the last one's.
    if "tenant" in event:
        client.headers["X-Tenant"] = event["tenant"]
    answer = client.get(f"/stock/{event['item']}")
    return {"item": event["item"], "seen_as": answer["tenant"], "path": answer["path"]}
