# boto3 reads a stream, and how one fails.
import json

import boto3

client = boto3.client("lambda")


def stream(**event):
    answer = client.invoke_with_response_stream(FunctionName="flow", Payload=json.dumps(event))
    assert answer["StatusCode"] == 200, answer
    assert answer["ExecutedVersion"] == "$LATEST.PUBLISHED", answer
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream", answer
    body, end = b"", None
    for one in answer["EventStream"]:
        assert end is None, one
        if "PayloadChunk" in one:
            body += one["PayloadChunk"]["Payload"]
        else:
            end = one["InvokeComplete"]
    return body, end


body, end = stream(size=8_000_000)
assert body == b"".join(n.to_bytes(8, "big") for n in range(1_000_000)), len(body)
assert "ErrorCode" not in end, end

body, end = stream(size=80_000, fail=40_000)
assert len(body) == 40_000, len(body)
assert end["ErrorCode"] == "Runtime.Unknown", end
assert json.loads(end["ErrorDetails"])["errorMessage"] == "broken at 40000", end

try:
    client.invoke_with_response_stream(FunctionName="none")
except client.exceptions.ResourceNotFoundException as e:
    print(e)
else:
    raise AssertionError("an unknown function streams")
print("streams by boto3")
