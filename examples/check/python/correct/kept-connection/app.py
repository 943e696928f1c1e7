"""Asks a price service over one connection that is kept; it runs in this file for the example."""
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRICES = {"tea": 450, "coffee": 790, "cocoa": 620, "mate": 540}


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"cents": PRICES.get(self.path.strip("/"), 0), "tenant": self.headers["X-Tenant"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
# Right: a worker process runs one request at a time, so its connection is nobody else's meanwhile.
connection = http.client.HTTPConnection("127.0.0.1", server.server_port)


def handler(event, context):
    # The tenant goes along with this one request, not onto the connection.
    connection.request("GET", f"/{event['good']}", headers={"X-Tenant": event["tenant"]})
    price = json.load(connection.getresponse())
    return {"order": event["order"], "tenant": price["tenant"], "cents": price["cents"] * event["count"]}
