"""Asks a price service; it runs in this file for the example."""
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRICES = {"tea": 450, "coffee": 790, "cocoa": 620, "mate": 540}


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"cents": PRICES.get(self.path.strip("/"), 0)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()


def handler(event, context):
    # Wrong: connects anew for each request; under load that is a handshake and a port each time.
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    try:
        connection.request("GET", f"/{event['good']}")
        price = json.load(connection.getresponse())
    finally:
        connection.close()
    return {"order": event["order"], "cents": price["cents"] * event["count"]}
