"""What botocore sees of every operation of the services Lamina speaks, and of requests made at random.

  OPERATIONS=docs/operations.md SEED=1 ROUNDS=6 surface.py

Inputs come from botocore's own models. No answer may be a server's fault, hang, lack a required member or be one that
botocore can't read; an error has a code of the operation's model, or one that all operations share; what is refused as
not served is what the list of operations says.
"""
import collections
import functools
import io
import json
import os
import random
import re
import sys
import time
import warnings
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

warnings.simplefilter("ignore")
import sre_parse  # gone with Python 3.14's re._parser

SERVICES = ("lambda", "iam", "sts", "logs", "cloudwatch", "ec2")
UNKNOWN = ("s3", "sqs", "sns", "events")  # services that Lamina has not at all
UNSERVED = {"UnknownOperationException", "InvalidAction", "NotImplemented"}
COMMON = {"ValidationException", "SerializationException", "AccessDeniedException", "RequestEntityTooLargeException",
          # of the form protocols
          "ValidationError", "MalformedInput", "MissingParameter", "InvalidParameterValue", "InvalidParameterCombination",
          "MissingAuthenticationToken", "AccessDenied"}
# Operations whose requests go to a host of their own.
ELSEWHERE = {"GetLogObject", "StartLiveTail", "WriteGetObjectResponse"}
# Operations that botocore does not sign: who they are is asked before what they want.
UNSIGNED = {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}
LIMIT = 10  # s for any answer, on a busy machine

config = Config(retries={"max_attempts": 0}, parameter_validation=False, read_timeout=LIMIT, s3={"addressing_style": "path"})
clients = {name: boto3.client(name, config=config) for name in SERVICES + UNKNOWN}
problems = collections.Counter()


def problem(what, text):
    if not problems[what]:
        print(f"PROBLEM {what}: {text}"[:1500])
    problems[what] += 1


# Values out of the model.

def matching(pattern, rnd):
    """A short text that the pattern takes, most often."""
    def text(parsed):
        return "".join(piece(str(op), arg) for op, arg in parsed)

    def piece(op, arg):
        match op:
            case "LITERAL":
                return chr(arg)
            case "NOT_LITERAL" | "ANY":
                return "x"
            case "IN":
                return one(arg)
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, what = arg
                return "".join(text(what) for _ in range(rnd.randint(least, min(most, least + 2))))
            case "SUBPATTERN":
                return text(arg[-1])
            case "BRANCH":
                return text(rnd.choice(arg[1]))
        return ""

    def one(items):
        if str(items[0][0]) == "NEGATE":
            return "x"
        op, arg = rnd.choice(items)
        match str(op):
            case "LITERAL":
                return chr(arg)
            case "RANGE":
                return chr(rnd.randint(*arg))
        return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(arg), "w")

    try:
        return text(sre_parse.parse(pattern))
    except re.error:
        return "x"


def valid(shape, rnd, extra, depth=0):
    """A value the model takes. extra is the share of optional members that are given."""
    least, most = int(shape.metadata.get("min", 0)), shape.metadata.get("max")
    match shape.type_name:
        case "structure":
            if depth > 6:
                return {}
            return {name: known.get((name, member.type_name)) if rnd.random() < 0.8 and (name, member.type_name) in known
                    else valid(member, rnd, extra, depth + 1)
                    for name, member in shape.members.items()
                    if name in shape.required_members or depth < 4 and rnd.random() < extra}
        case "list":
            return [valid(shape.member, rnd, extra, depth + 1) for _ in range(max(least, 1))]
        case "map":
            return {valid(shape.key, rnd, extra, depth + 1): valid(shape.value, rnd, extra, depth + 1)}
        case "string":
            if getattr(shape, "enum", None):
                return rnd.choice(shape.enum)
            if "pattern" in shape.metadata:
                return matching(shape.metadata["pattern"], rnd)[:most]
            return "x" * max(1, least)
        case "integer" | "long":
            return rnd.choice([max(least, 1), min(int(most or 1000), least + 7)])
        case "float" | "double":
            return float(least or 1)
        case "boolean":
            return rnd.random() < 0.5
        case "timestamp":
            return 1700000000
        case "blob":
            return rnd.choice([b"{}", b"no zip"])
    raise AssertionError(shape.type_name)


def spoil(shape, value, rnd):
    """The value with one thing in it that the model does not take, and what that is."""
    if shape.type_name == "structure" and isinstance(value, dict) and value:
        name = rnd.choice(sorted(value))
        member = shape.members[name]
        if name in shape.required_members and rnd.random() < 0.2:
            return {k: v for k, v in value.items() if k != name}, "required"
        changed, what = spoil(member, value[name], rnd)
        return value | {name: changed}, what
    if shape.type_name == "list" and value and rnd.random() < 0.5:
        changed, what = spoil(shape.member, value[0], rnd)
        return [changed] + value[1:], what
    most = shape.metadata.get("max")
    ways = [(w, "odd") for w in odd(shape)]
    if shape.type_name == "string":
        if getattr(shape, "enum", None):
            ways.append(("nonsense", "enum"))
        if "pattern" in shape.metadata:
            ways.append(("\u00e9\u2603 <&>\"'", "pattern"))
        if most and int(most) <= 100_000:
            ways.append(("x" * (int(most) + 1), "max"))
    elif shape.type_name in ("integer", "long") and most:
        ways.append((int(most) + 1, "max"))
    elif shape.type_name == "list" and most and int(most) < 500:
        ways.append(([value[0] if value else "x"] * (int(most) + 1), "max"))
    return rnd.choice(ways) if ways else (value, "nothing")


def odd(shape):
    match shape.type_name:
        case "string":
            return ["", " ", "x" * 5000, "\u0000", "..", "a/b//c", "%2e%2e", "\U0001f600"]
        case "integer" | "long":
            return [-1, 0, 2**31, 2**63, "seven", 1.5]
        case "float" | "double":
            return [-1.0, 1e308, "many"]
        case "boolean":
            return ["maybe", 1]
        case "blob":
            return [b"", b"\xff" * 100]
        case "list":
            return [[], "x", [None]]
        case "map" | "structure":
            return [{}, "x", []]
    return []


# Calls.

def call(service, name, args, served=True):
    """Calls and judges what any answer has to be. Gives the error's code, None for a success."""
    client = clients[service]
    model = client.meta.service_model.operation_model(name)
    what, start = f"{service}.{name}", time.time()
    if elsewhere(model, args):
        served = None  # its path is another operation's, or none
    try:
        out = client._make_api_call(name, args)
        if served is False:
            problem(what, "is not in the list of operations, but answers")
        for stream in (v for v in out.values() if hasattr(v, "read")):
            stream.read()
        if model.output_shape:
            missing = [m for m in model.output_shape.required_members if m not in out]
            if missing and served is not None and (name, *missing) not in KNOWN_MISSING:
                problem(what, f"answers without {missing}: {args}")
        return None
    except ClientError as e:
        status, error = e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]
        code, message = error.get("Code", ""), error.get("Message", "")
        judge(what, model, status, code, message, args, served)
        return code
    except UnicodeEncodeError:
        return "client"
    except Exception as e:  # what the client can't send is no answer; all else is one nobody can read
        if type(e).__module__.startswith(("botocore", "urllib3", "socket")) or isinstance(e, OSError):
            problem(what, f"{type(e).__name__}: {e} {args}")
        return "client"
    finally:
        if time.time() - start > LIMIT / 2:
            problem(what, f"took {time.time() - start:.1f} s: {args}")


def elsewhere(model, args):
    """Whether a part of the path is empty or dots, which makes another path."""
    return model.input_shape and any(m.serialization.get("location") == "uri" and args.get(name) in ("", ".", "..")
                                     for name, m in model.input_shape.members.items())


@functools.cache
def codes(service):
    """Codes of any of the service's errors: AWS does not keep to the operation's own either."""
    shapes = [s for n in service.operation_names for s in service.operation_model(n).error_shapes]
    return COMMON | {s.metadata.get("error", {}).get("code", s.name) for s in shapes} | {s.name for s in shapes}


def judge(what, model, status, code, message, args, served):
    if served is None and code == "InvalidSignatureException":
        return  # botocore signs such a path in another form than it sends
    if code.isdigit():  # a HEAD has no body; a header with control characters is HTTP's own error
        if status not in (400, 404, 501):
            problem(what, f"{status} without a code: {args}")
    elif code in UNSERVED:
        if served:
            problem(what, f"is in the list of operations and refused: {code} {message}")
        if not message.startswith("Lamina does not serve "):
            problem(what, f"is refused with the text {message!r}")
    elif status >= 500:
        problem(what, f"{status} {code} {message}: {args}")
    elif served is False:
        problem(what, f"is not in the list of operations, but answers {code} {message}")
    elif not message:
        problem(what, f"{code} without a text: {args}")
    elif not what.startswith("ec2.") and code not in codes(model.service_model):  # EC2's model has no errors
        problem(what, f"{code} is no error of this service ({message}): {args}")
    elif what.startswith("lambda.") and code == "ValidationException" and not re.match(r"\d+ validation errors? detected: Value |[A-Z]", message):
        problem(what, f"ValidationException says {message!r}")


# AWS leaves these out too where a function has none of it.
KNOWN_MISSING = {("GetFunctionCodeSigningConfig", "CodeSigningConfigArn")}


def listed(page):
    """The operations that the page says are served, by service."""
    found = {}
    for section in open(page, encoding="utf-8").read().split("\n## ")[1:]:
        name, body = section.split("\n", 1)
        names = re.search(r"Served \(.*?\): (.*?)\.\n", body).group(1)
        found["cloudwatch" if name == "monitoring" else name] = set(names.split(", "))
    return found


# A region with something in it, so that requests get past "not found".

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
known = {}


def furnish():
    ec2, iam, lam = (clients[n] for n in ("ec2", "iam", "lambda"))
    operator = iam.create_role(RoleName="operator", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    execution = iam.create_role(RoleName="execution", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="operator", PolicyArn="arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as z:
        z.writestr("bootstrap", "#!/bin/sh\n")
    provider = lam.create_capacity_provider(CapacityProviderName="main", VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [group]},
                                            PermissionsConfig={"CapacityProviderOperatorRoleArn": operator})["CapacityProvider"]["CapacityProviderArn"]
    config = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider}}
    function = lam.create_function(FunctionName="main", Runtime="provided.al2023", Handler="x", Role=execution, MemorySize=2048,
                                   Code={"ZipFile": code.getvalue()}, CapacityProviderConfig=config)["FunctionArn"]
    for name, value in {"FunctionName": "main", "CapacityProviderName": "main", "Resource": function, "CapacityProviderArn": provider,
                        "Role": execution, "CapacityProviderOperatorRoleArn": operator, "RoleName": "execution", "VpcId": vpc, "SubnetId": subnet,
                        "GroupId": group, "Runtime": "provided.al2023", "FunctionVersion": "$LATEST", "ZipFile": code.getvalue(),
                        "logGroupName": "/main", "logStreamName": "s", "AssumeRolePolicyDocument": TRUST, "PolicyDocument": TRUST}.items():
        known[name, "blob" if isinstance(value, bytes) else "string"] = value
    known["CapacityProviderConfig", "structure"] = config
    clients["logs"].create_log_group(logGroupName="/main")
    clients["logs"].create_log_stream(logGroupName="/main", logStreamName="s")


def operations(page, rnd):
    """Every operation once, with as little as it takes."""
    served, calls = listed(page), 0
    for service in SERVICES + UNKNOWN:
        for i, name in enumerate(clients[service].meta.service_model.operation_names):
            is_served = name in served.get(service, ())
            if name in ELSEWHERE | UNSIGNED or not is_served and service == "ec2" and i % 20:
                continue
            shape = clients[service].meta.service_model.operation_model(name).input_shape
            call(service, name, valid(shape, rnd, 0) if shape else {}, is_served)
            calls += 1
    return calls


# Ending what the others need, or the machine's own instances.
SPARED = {"DeleteFunction", "DeleteCapacityProvider", "DeleteVpc", "DeleteSubnet", "DeleteRole", "DeleteSecurityGroup", "DeleteLogGroup", "DeleteLogStream"}


def fuzz(page, rnd, rounds):
    calls, codes = 0, collections.Counter()
    for service, names in listed(page).items():
        model = clients[service].meta.service_model
        weight = rounds if service == "lambda" else max(1, rounds // 4)
        for name in sorted(names & set(model.operation_names) - SPARED):
            shape = model.operation_model(name).input_shape
            for _ in range(weight if shape else 0):
                args, what = valid(shape, rnd, rnd.choice([0, 0.2, 0.6])), ""
                if rnd.random() < 0.7:
                    args, what = spoil(shape, args, rnd)
                code = call(service, name, args)
                codes[code] += 1
                calls += 1
    print(dict(codes.most_common(12)))
    return calls


if __name__ == "__main__":
    page, seed, rounds = os.environ["OPERATIONS"], int(os.environ.get("SEED", 1)), int(os.environ.get("ROUNDS", 6))
    start = time.time()
    print(operations(page, random.Random(seed)), "operations in", round(time.time() - start, 1), "s")
    start = time.time()
    furnish()
    print(fuzz(page, random.Random(seed), rounds), "requests at random in", round(time.time() - start, 1), "s, seed", seed)
    if problems:
        sys.exit(f"{sum(problems.values())} problems in {len(problems)} operations; seed {seed}")
    print("every answer is one")
