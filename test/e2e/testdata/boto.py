"""What boto3 users see: waiters, failures with their reasons, scaling, deletion."""
import io
import json
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

config = Config(retries={"max_attempts": 0})
ec2, iam, lam = (boto3.client(name, config=config) for name in ("ec2", "iam", "lambda"))
LATEST = "$LATEST.PUBLISHED"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def package(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("app.py", source)
    return out.getvalue()


def role(name, policy=None):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    if policy:
        iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/" + policy)
    return arn


def network(cidr):
    vpc = ec2.create_vpc(CidrBlock=cidr + ".0.0/16")["Vpc"]["VpcId"]
    zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]][:3]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"{cidr}.{i}.0/24", AvailabilityZone=z)["Subnet"]["SubnetId"] for i, z in enumerate(zones)]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    return {"SubnetIds": subnets, "SecurityGroupIds": [group]}


def provider(name, net, operator, **more):
    return lam.create_capacity_provider(CapacityProviderName=name, VpcConfig=net,
        PermissionsConfig={"CapacityProviderOperatorRoleArn": operator}, **more)["CapacityProvider"]["CapacityProviderArn"]


def create(name, source, cp, runtime="python3.13", **more):
    kw = {"FunctionName": name, "Runtime": runtime, "Handler": "app.handler", "Role": execution, "Timeout": 5, "Code": {"ZipFile": package(source)}}
    if cp:
        kw |= {"MemorySize": 2048, "Publish": True, "PublishTo": "LATEST_PUBLISHED",
               "CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": cp}}}
    return lam.create_function(**kw | more)


def settled(name, qualifier=LATEST, key="State", waiting=("Pending",)):
    end = time.time() + 60
    while time.time() < end:
        c = lam.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        if c[key] not in waiting:
            return c
        time.sleep(0.02)
    raise AssertionError(f"{name} is still {c[key]}")


def invoke(name, **more):
    r = lam.invoke(FunctionName=name, Payload=b'{"k": 1}', **more)
    return r.get("FunctionError"), json.loads(r["Payload"].read() or b"null"), r.get("ExecutedVersion")


def refused(code, call, text=""):
    try:
        call()
    except ClientError as e:
        assert e.response["Error"]["Code"] == code and text in str(e), e
        print("refused:", e)
        return
    raise AssertionError(f"{code} was expected")


def gone(call):
    end = time.time() + 60
    while time.time() < end:
        try:
            call()
        except lam.exceptions.ResourceNotFoundException:
            return
        time.sleep(0.02)
    raise AssertionError("still there")


execution, operator = role("execution"), role("operator", "AWSLambdaManagedEC2ResourceOperator")
net = network("10.0")
cp = provider("cp", net, operator)

# waiters
create("f", "def handler(event, context):\n    return event", cp)
lam.get_waiter("published_version_active").wait(FunctionName="f", Qualifier=LATEST, WaiterConfig={"Delay": 1})
assert invoke("f") == (None, {"k": 1}, LATEST)
lam.update_function_configuration(FunctionName="f", Description="two")
lam.get_waiter("function_updated_v2").wait(FunctionName="f")

# a bad publish: the old code goes on serving
lam.update_function_code(FunctionName="f", ZipFile=package("raise Exception('boom')"), Publish=True, PublishTo="LATEST_PUBLISHED")
c = settled("f", key="LastUpdateStatus", waiting=("InProgress",))
assert (c["State"], c["LastUpdateStatus"], c["LastUpdateStatusReasonCode"]) == ("Active", "Failed", "FunctionError.RuntimeInitError"), c
assert invoke("f")[1] == {"k": 1}

# failures with their reasons
create("import", "import nosuch\ndef handler(e, c): pass", cp)
c = settled("import")
assert (c["State"], c["StateReasonCode"]) == ("Failed", "FunctionError.RuntimeInitError") and "nosuch" in c["StateReason"], c
refused("ResourceConflictException", lambda: invoke("import"))
create("runtime", "def handler(e, c): pass", cp, runtime="dotnet8")  # needs an SDK that no test machine has
c = settled("runtime")
assert (c["State"], c["StateReasonCode"]) == ("Failed", "InvalidRuntime"), c
bad = provider("norole", net, role("nothing"))
create("norole", "def handler(e, c): pass", bad)
c = settled("norole")
assert (c["State"], c["StateReasonCode"]) == ("Failed", "InsufficientRolePermissions"), c

# a cap too small, raised
small = provider("small", net, operator, CapacityProviderScalingConfig={"MaxVCpuCount": 4})
create("capped", "def handler(event, context):\n    return event", small)
c = settled("capped")
assert (c["State"], c["StateReasonCode"]) == ("Failed", "CapacityProviderScalingLimitExceeded"), c
left = ec2.describe_instances(IncludeManagedResources=True, Filters=[{"Name": "tag:aws:lambda:capacity-provider", "Values": [small]}])
assert not left["Reservations"], left
lam.update_capacity_provider(CapacityProviderName="small", CapacityProviderScalingConfig={"MaxVCpuCount": 12})
lam.publish_version(FunctionName="capped", PublishTo="LATEST_PUBLISHED")
assert settled("capped")["State"] == "Active"
assert invoke("capped")[1] == {"k": 1}

# numbers, scaling, deactivation
v = lam.publish_version(FunctionName="capped")
assert (v["Version"], v["State"]) == ("1", "Pending"), v
assert settled("capped", "1")["State"] == "Active"
assert invoke("capped", Qualifier="1")[2] == "1"
refused("InvalidParameterValueException", lambda: invoke("capped", Qualifier="$LATEST"), "can't be invoked with $LATEST qualifier")
lam.put_function_scaling_config(FunctionName="capped", Qualifier="1", FunctionScalingConfig={"MinExecutionEnvironments": 0, "MaxExecutionEnvironments": 0})
assert settled("capped", "1", waiting=("Active", "Deactivating"))["State"] == "Deactivated"
lam.put_function_scaling_config(FunctionName="capped", Qualifier="1", FunctionScalingConfig={"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2})
assert settled("capped", "1", waiting=("Pending", "Deactivated"))["State"] == "Active"
assert invoke("capped", Qualifier="1")[1] == {"k": 1}

# invocations that go wrong leave their neighbours alone
create("wrong", "import os, time\ndef handler(e, c):\n    if 'k' in e: raise ValueError('bad')\n    time.sleep(e.get('s', 0))", cp, Timeout=1)
settled("wrong")
error, body, _ = invoke("wrong")
assert error == "Unhandled" and body["errorType"] == "ValueError", body
r = lam.invoke(FunctionName="wrong", Payload=b'{"s": 2}')
assert b"Task timed out after 1.00 seconds" in r["Payload"].read()

# an environment lives on between invocations, which share its /tmp and know how many may overlap
create("life", """
import os, threading, time
beats = 0
def beat():
    global beats
    while True:
        time.sleep(0.01)
        beats += 1
def handler(event, context):
    if not os.path.exists("/tmp/first"):
        open("/tmp/first", "w").write(context.aws_request_id)
        threading.Thread(target=beat, daemon=True).start()
    return {"first": open("/tmp/first").read(), "environment": context.log_stream_name, "worker": os.getpid(), "beats": beats,
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "slots": os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]}""", cp)
settled("life")
first, beats = {}, {}
end = time.time() + 30
while time.time() < end and not (len(first) == 3 and any(b > 0 for b in beats.values())):
    life = invoke("life")[1]
    assert (life["type"], life["slots"]) == ("lambda-managed-instances", "16"), life
    assert first.setdefault(life["environment"], life["first"]) == life["first"], life
    beats[life["worker"], life["environment"]] = life["beats"]
assert len(first) == len(set(first.values())) == 3 and any(beats.values()), (first, beats)

# an ordinary function
create("ordinary", "import os\ndef handler(e, c):\n    return os.getpid()", None)
assert invoke("ordinary")[0] is None
refused("InvalidParameterValueException", lambda: lam.update_function_configuration(FunctionName="ordinary", CapacityProviderConfig={
    "LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": cp}}), "isn't supported for Lambda Default functions.")

# refusals: nothing half done
other = network("10.9")
refused("InvalidParameterValueException", lambda: provider("two", {"SubnetIds": [net["SubnetIds"][0], other["SubnetIds"][0]], "SecurityGroupIds": net["SecurityGroupIds"]}, operator))
refused("InvalidParameterValueException", lambda: provider("assume", net, "arn:aws:iam::000000000000:role/nobody"))
refused("InvalidParameterValueException", lambda: lam.create_function(FunctionName="zip", Runtime="python3.13", Handler="a.b", Role=execution, Code={"ZipFile": b"no zip"}), "Could not unzip")
refused("RequestTooLargeException", lambda: lam.invoke(FunctionName="ordinary", Payload=b'"' + b"x" * (6 << 20) + b'"'))
refused("ResourceConflictException", lambda: lam.delete_capacity_provider(CapacityProviderName="cp"), "currently in use")

# deletion leaves nothing
for name, status in (("f", 202), ("import", 202), ("runtime", 202), ("norole", 202), ("capped", 202), ("wrong", 202), ("life", 202), ("ordinary", 204)):
    assert lam.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == status
    gone(lambda: lam.get_function(FunctionName=name))
for name in ("cp", "norole", "small"):
    assert lam.delete_capacity_provider(CapacityProviderName=name)["CapacityProvider"]["State"] == "Deleting"
    gone(lambda: lam.get_capacity_provider(CapacityProviderName=name))
live = [i for r in ec2.describe_instances(IncludeManagedResources=True)["Reservations"] for i in r["Instances"] if i["State"]["Name"] != "terminated"]
assert not live, live
assert not ec2.describe_network_interfaces()["NetworkInterfaces"]
for subnet in net["SubnetIds"]:
    ec2.delete_subnet(SubnetId=subnet)
print("all as on AWS")
