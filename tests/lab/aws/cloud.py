"""AWS as the lab has it: moto behind a door that keeps a journal and does wrong on demand, and a server of plain pages.

usage: cloud.py FOLDER ADDRESS

Listens at ADDRESS on 443, with a certificate of a lab CA of its own (FOLDER/ca.pem), and on 80. What a test wants comes as
lines of JSON on standard input, and each is answered with one on standard output. It ends when standard input does, so
that it never outlives the test.
"""

import datetime
import io
import json
import logging
import os
import re
import ssl
import sys
import threading
import time

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

import zones

REGION = "eu-central-1"
NAMES = [f"*.{REGION}.amazonaws.com", f"*.s3.{REGION}.amazonaws.com", "route53.amazonaws.com", "*.example.org"]
# Where the lab itself talks to moto: no journal, no faults.
BACK_DOOR = ("127.0.0.1", 5599)


class Door:
    """A WSGI application before moto's."""

    def __init__(self):
        self.inner = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.journal, self.faults, self.pages = [], [], {}
        self.cloudflare, self.changed = zones.Cloudflare(), lambda: None

    def __call__(self, environ, start):
        asked = question(environ)
        fault = self.fault(asked["operation"])
        if fault:
            time.sleep(fault.get("delay", 0))
        if fault and fault.get("status"):
            body = refusal(asked, fault)
            return self.answer(asked, start, f"{fault['status']} Fault", [("Content-Type", "text/plain")], body)
        if asked["service"] == "cloudflare":
            status, body = self.cloudflare.answer(environ, body_of(environ))
            return self.answer(asked, start, f"{status} Said", [("Content-Type", "application/json")], body)
        if asked["service"] == "web":
            page = self.pages.get(asked["what"])
            status = "200 OK" if page is not None else "404 Not Found"
            return self.answer(asked, start, status, [("Content-Type", "text/plain")], (page or "").encode())

        def noted(status, headers, exc_info=None):
            self.note(asked, status)
            return start(status, headers, exc_info)

        if asked["operation"] != "ChangeResourceRecordSets":
            return self.inner(environ, noted)
        answer = list(self.inner(environ, noted))
        self.changed()
        return answer

    def fault(self, operation):
        with self.lock:
            for fault in self.faults:
                if fault["operation"] == operation and fault["times"] != 0:
                    fault["times"] -= 1
                    return fault
        return None

    def answer(self, asked, start, status, headers, body):
        self.note(asked, status)
        start(status, headers + [("Content-Length", str(len(body)))])
        return [body]

    def note(self, asked, status):
        with self.lock:
            self.journal.append({**asked, "status": int(status.split()[0])})


def question(environ):
    """What is asked: of which service, by whom."""
    host = environ.get("HTTP_HOST", "").split(":")[0]
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/")
    method = environ["REQUEST_METHOD"]
    credential = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    key, region, service = credential.groups() if credential else ("", "", "")
    asked = {"service": service, "operation": method, "what": path, "key": key, "region": region}
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        asked["operation"] = target.split(".")[-1]
        asked["what"] = body_of(environ).decode("utf-8", "replace")
    elif service == "s3":
        bucket = re.match(rf"(.+)\.s3\.{REGION}\.amazonaws\.com$", host)
        whole = f"{bucket.group(1)}/{path}" if bucket else path
        words = {"GET": "Get", "PUT": "Put", "HEAD": "Head", "DELETE": "Delete"}
        kind = "Object" if whole.count("/") > 0 and whole.split("/", 1)[1] else "Bucket"
        asked.update(operation=words.get(method, method) + kind, what=whole)
    elif service == "route53":
        asked["operation"] = zones.operation(method, path)
    elif host == zones.CLOUDFLARE:
        asked.update(service="cloudflare")
    elif not host.endswith(".amazonaws.com") and not service:
        asked.update(service="web", what=f"{environ['wsgi.url_scheme']}://{host}/{path}")
    return asked


def body_of(environ):
    """The body of a request, which stays there to be read again."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def refusal(asked, fault):
    """The body of an error, as the service writes it."""
    code, message = fault.get("code", "InternalError"), fault.get("message", "injected")
    if asked["service"] == "s3":
        words = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>LAB</RequestId></Error>"
        return ('<?xml version="1.0" encoding="UTF-8"?>\n' + words).encode()
    if asked["service"] == "route53":
        return zones.refusal(code, message)
    if asked["service"] == "web":
        return message.encode()
    return json.dumps({"__type": code, "message": message}).encode()


def certificates(folder):
    """A CA of the lab, and a certificate of it for the names that are played."""
    now = datetime.datetime.now(datetime.timezone.utc)
    # Machines of the lab may have clocks that are off.
    begin, end = now - datetime.timedelta(days=3650), now + datetime.timedelta(days=3650)

    def made(name, issuer, public, signer, extensions):
        builder = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number(), begin, end)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    def called(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = made(
        called("lab CA"), called("lab CA"), root.public_key(), root, [(x509.BasicConstraints(True, None), True)]
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    server = made(
        called("lab cloud"), called("lab CA"), leaf.public_key(), root,
        [(names, False), (x509.BasicConstraints(False, None), True)],
    )
    pem = serialization.Encoding.PEM
    key = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(os.path.join(folder, "ca.pem"), "wb") as file:
        file.write(authority.public_bytes(pem))
    with open(os.path.join(folder, "server.pem"), "wb") as file:
        file.write(key + server.public_bytes(pem))


class Cloud:
    """What a test can want, by the first word of its line."""

    def __init__(self, folder, address):
        self.folder, self.address = folder, address
        self.door, self.servers = Door(), []
        self.serve(make_server(*BACK_DOOR, self.door.inner, threaded=True))
        self.clients = {}
        certificates(folder)
        self.start()

    @staticmethod
    def serve(server):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, region_name=REGION, endpoint_url="http://%s:%d" % BACK_DOOR,
                aws_access_key_id="lab", aws_secret_access_key="lab",
            )
        return self.clients[service]

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.folder, "server.pem"))
        for port, tls in ((443, context), (80, None)):
            self.servers.append(
                self.serve(make_server(self.address, port, self.door, threaded=True, ssl_context=tls))
            )

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []

    def bucket(self, name):
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, bucket, key, text):
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    def delete(self, bucket, key):
        self.client("s3").delete_object(Bucket=bucket, Key=key)

    def parameter(self, path, value, kind):
        # As Parameter Store does, and moto does not.
        if "{{" in value:
            raise ValueError("ValidationException: Parameter value can't nest another parameter. Don't use {{}} in value.")
        self.client("ssm").put_parameter(Name=path, Value=value, Type=kind, Overwrite=True)

    def secret(self, name, value):
        self.client("secretsmanager").create_secret(Name=name, SecretString=value)

    def zone(self, name, private):
        return zones.create(self.client("route53"), name, private)

    def put_text(self, zone, name, texts):
        zones.put(self.client("route53"), zone, name, texts)
        self.door.changed()

    def texts(self, zone, name):
        return zones.texts(self.client("route53"), zone).get(name, [])

    def serves_zones(self, server):
        """The server of names has what is in the zones from now on."""
        mirror = zones.Mirror(server, self.client("route53"), self.door.cloudflare)
        self.door.changed = self.door.cloudflare.changed = mirror.show

    def cloudflare(self, token):
        self.door.cloudflare.token = token

    def cloudflare_zone(self, name):
        return self.door.cloudflare.zone(name)

    def cloudflare_put(self, name, text):
        self.door.cloudflare.put(name, text)

    def cloudflare_texts(self, name):
        return self.door.cloudflare.texts().get(name, [])

    def page(self, url, text):
        self.door.pages[url] = text

    def fault(self, **fault):
        self.door.faults.append(fault)

    def mend(self):
        self.door.faults.clear()

    def journal(self):
        with self.door.lock:
            return list(self.door.journal)

    def forget(self):
        with self.door.lock:
            self.door.journal.clear()


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # What moto itself says must not mix with the answers.
    answers, sys.stdout = sys.stdout, sys.stderr

    def say(answer):
        print(json.dumps(answer), file=answers, flush=True)

    cloud = Cloud(*sys.argv[1:])
    say({"ready": True})
    for line in sys.stdin:
        wanted = json.loads(line)
        try:
            say({"done": getattr(cloud, wanted.pop("do"))(**wanted)})
        except Exception as error:  # the test is told, and ends
            say({"failed": f"{type(error).__name__}: {error}"})
    os._exit(0)


if __name__ == "__main__":
    main()
