"""As much of AWS as deploy.sh and credentials.sh use, for tests: Elastic Beanstalk, S3 and STS as the real command line speaks to
them, and GitHub's issuer of tokens. Every version works unless its name says otherwise; see `Environment.update`.

usage: aws.py FOLDER    listens on a free port of loopback, writes it to FOLDER/port and the state to FOLDER/state.json
"""

import json
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[1])
LOCK = threading.Lock()
OBJECTS = {}
VERSIONS = {}
CALLS = []


class Environment:
    def __init__(self):
        self.label, self.before, self.status, self.health, self.looks = "sample", "sample", "Ready", "Green", 0

    def update(self, label):
        self.before, self.label, self.status, self.health = self.label, label, "Updating", "Grey"
        # Beanstalk is never done at the first look.
        self.looks = 10**9 if "endless" in label else 2

    def look(self):
        if self.status == "Ready":
            return
        self.looks -= 1
        if self.looks <= 0:
            self.status, self.health = "Ready", "Red" if "ill" in self.label else "Green"
            if "refused" in self.label:
                self.label, self.health = self.before, "Green"

    def abort(self):
        self.label, self.status, self.health = self.before, "Ready", "Green"


ENVIRONMENTS = {"souk-qa": Environment(), "souk-production": Environment()}


class Refused(Exception):
    pass


def beanstalk(action, of):
    if action == "DescribeEnvironments":
        environment = ENVIRONMENTS.get(of("EnvironmentNames.member.1"))
        if of("IncludeDeleted") != "false":
            raise Refused("deleted environments of the same name would be found too")
        if environment is None:
            return "<Environments/>"
        environment.look()
        said = f"<Status>{environment.status}</Status><VersionLabel>{environment.label}</VersionLabel>"
        return f"<Environments><member>{said}<Health>{environment.health}</Health></member></Environments>"
    if action == "DescribeApplicationVersions":
        key = VERSIONS.get(of("VersionLabels.member.1"))
        if key is None:
            return "<ApplicationVersions/>"
        bundle = f"<S3Bucket>{key[0]}</S3Bucket><S3Key>{key[1]}</S3Key>"
        return f"<ApplicationVersions><member><SourceBundle>{bundle}</SourceBundle></member></ApplicationVersions>"
    if action == "CreateApplicationVersion":
        bucket, key = of("SourceBundle.S3Bucket"), of("SourceBundle.S3Key")
        if f"/{bucket}/{key}" not in OBJECTS:
            raise Refused("there is no such bundle")
        VERSIONS[of("VersionLabel")] = (bucket, key)
        return ""
    if action == "UpdateEnvironment":
        environment = ENVIRONMENTS[of("EnvironmentName")]
        if environment.status != "Ready":
            raise Refused("Environment is in an invalid state for this operation. Must be Ready.")
        if of("VersionLabel") not in VERSIONS:
            raise Refused("No Application Version found.")
        environment.update(of("VersionLabel"))
        return ""
    if action == "AbortEnvironmentUpdate":
        ENVIRONMENTS[of("EnvironmentName")].abort()
        return ""
    if action == "DescribeEvents":
        event = "<EventDate>2026-01-01T00:00:00Z</EventDate><Severity>ERROR</Severity><Message>so it was</Message>"
        return f"<Events><member>{event}</member></Events>"
    if action == "AssumeRoleWithWebIdentity":
        if of("WebIdentityToken") != "the-token-of-github" or not of("RoleArn").endswith(":role/souk-qa"):
            raise Refused("Not authorized to perform sts:AssumeRoleWithWebIdentity")
        keys = "<AccessKeyId>ASIATEST</AccessKeyId><SecretAccessKey>s3cret/key</SecretAccessKey>"
        rest = "<SessionToken>s3cret+session==</SessionToken><Expiration>2026-01-01T00:00:00Z</Expiration>"
        return f"<Credentials>{keys}{rest}</Credentials>"
    raise Refused(f"no {action} here")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="text/xml", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "aws-chunked":
            size, rest = body.split(b"\r\n", 1)
            body = rest[: int(size.split(b";")[0], 16)]
        return body

    def do_POST(self):
        fields = urllib.parse.parse_qs(self.body().decode())
        action = fields["Action"][0]
        with LOCK:
            try:
                said = beanstalk(action, lambda name: fields.get(name, [""])[0])
                CALLS.append(action)
                inside = f"<{action}Result>{said}</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
                self.answer(200, f"<{action}Response>{inside}</{action}Response>".encode())
            except Refused as why:
                error = f"<Error><Type>Sender</Type><Code>Refused</Code><Message>{why}</Message></Error>"
                self.answer(400, f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode())
            self.save()

    def do_PUT(self):
        body = self.body()
        with LOCK:
            if self.headers.get("If-None-Match") == "*" and self.path in OBJECTS:
                self.answer(412, b"<Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>")
            elif not self.path.split("/")[2] == "good" and self.headers.get("If-None-Match") != "*":
                self.answer(403, b"<Error><Code>AccessDenied</Code><Message>only once</Message></Error>")
            else:
                OBJECTS[self.path] = body
                self.answer(200, ETag='"1"')
            self.save()

    def do_GET(self):
        if self.path.startswith("/token?"):
            good = self.headers.get("Authorization") == "bearer of-this-job" and "audience=sts.amazonaws.com" in self.path
            said = b'{"count":1,"value":"the-token-of-github"}' if good else b'{"message":"no"}'
            return self.answer(200 if good else 401, said, "application/json")
        with LOCK:
            found = OBJECTS.get(self.path)
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        return self.answer(200, found, "application/octet-stream", ETag='"1"')

    do_HEAD = do_GET

    def save(self):
        runs = {name: environment.label for name, environment in ENVIRONMENTS.items()}
        objects = {path: body.decode(errors="replace") if len(body) < 2000 else len(body) for path, body in OBJECTS.items()}
        state = {"runs": runs, "objects": objects, "calls": CALLS}
        (FOLDER / "state.draft").write_text(json.dumps(state, indent=1))
        (FOLDER / "state.draft").rename(FOLDER / "state.json")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
(FOLDER / "port.draft").write_text(str(server.server_port))
(FOLDER / "port.draft").rename(FOLDER / "port")
server.serve_forever()
