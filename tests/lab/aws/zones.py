"""Zones that have an API: moto's of Route 53, and Cloudflare's as far as texts go; and a server of names that has both.

The real server of names knows nothing of either: it is told by its own API after each change.
"""

import json
import re
import threading
import urllib.parse
import urllib.request
import uuid

CLOUDFLARE = "cloudflare.example.org"


def operation(method, path):
    """The operation of Route 53, by its path."""
    place = path.split("/", 1)[-1].rstrip("/")
    kinds = {
        ("GET", "hostedzone"): "ListHostedZones",
        ("GET", "hostedzone/rrset"): "ListResourceRecordSets",
        ("POST", "hostedzone/rrset"): "ChangeResourceRecordSets",
        ("GET", "change"): "GetChange",
    }
    kind = re.sub(r"^(hostedzone|change)/[^/]+", r"\1", place) if place.count("/") else place
    return kinds.get((method, kind), method)


def refusal(code, message):
    """An error of Route 53."""
    words = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{words}<RequestId>LAB</RequestId></ErrorResponse>".encode()


def create(client, name, private):
    more = {"VPC": {"VPCRegion": "eu-central-1", "VPCId": "vpc-1"}} if private else {}
    config = {"PrivateZone": private, "Comment": ""}
    zone = client.create_hosted_zone(Name=name, CallerReference=str(uuid.uuid4()), HostedZoneConfig=config, **more)
    return zone["HostedZone"]["Id"].split("/")[-1]


def put(client, zone, name, texts):
    """Somebody else's texts."""
    records = [{"Value": f'"{text}"'} for text in texts]
    change = {"Name": name, "Type": "TXT", "TTL": 300, "ResourceRecords": records}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": change}]}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


def texts(client, zone):
    """All texts of a zone, by name."""
    sets = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {
        of["Name"].rstrip("."): [record["Value"].strip('"') for record in of["ResourceRecords"]]
        for of in sets
        if of["Type"] == "TXT"
    }


class Cloudflare:
    """The part of Cloudflare's API (v4) that is about zones and texts."""

    def __init__(self):
        self.token, self.zones, self.records = None, {}, {}
        self.changed, self.lock = lambda: None, threading.Lock()

    def zone(self, name):
        return self.zones.setdefault(name, uuid.uuid4().hex)

    def put(self, name, content):
        with self.lock:
            zone = next(id for zone, id in self.zones.items() if name.endswith("." + zone))
            record = {"id": uuid.uuid4().hex, "zone": zone, "type": "TXT", "name": name, "content": content}
            self.records[record["id"]] = record
        self.changed()
        return record

    def texts(self):
        found = {}
        for record in list(self.records.values()):
            found.setdefault(record["name"], []).append(record["content"].strip('"'))
        return found

    def answer(self, environ, body):
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.token}":
            return refused(403, 9109, "Invalid access token")
        method, query = environ["REQUEST_METHOD"], urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
        path = environ["PATH_INFO"].removeprefix("/client/v4").strip("/").split("/")
        said = {key: values[0] for key, values in query.items()}
        match (method, path):
            case ("GET", ["zones"]):
                return done([{"id": id, "name": name} for name, id in self.zones.items() if name == said.get("name")])
            case (_, ["zones", zone, *_]) if zone not in self.zones.values():
                return refused(404, 7003, "Could not route to the zone, perhaps your object identifier is invalid?")
            case ("GET", ["zones", zone, "dns_records"]):
                is_so = lambda it: (it["zone"], it["type"], it["name"]) == (zone, said.get("type"), said.get("name"))
                return done([record for record in list(self.records.values()) if is_so(record)])
            case ("POST", ["zones", zone, "dns_records"]):
                wanted = json.loads(body)
                if wanted["content"].strip('"') in self.texts().get(wanted["name"], []):
                    return refused(400, 81058, "An identical record already exists.")
                if wanted["type"] != "TXT" or not 60 <= wanted["ttl"] <= 86400:
                    return refused(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds")
                return done(self.put(wanted["name"], wanted["content"]))
            case ("DELETE", ["zones", zone, "dns_records", id]) if id in self.records:
                del self.records[id]
                self.changed()
                return done({"id": id})
        return refused(404, 7000, "No route for that URI")


class Mirror:
    """Tells a server of names (challtestsrv) what the zones have."""

    def __init__(self, server, client, cloudflare):
        self.server, self.client, self.cloudflare = server, client, cloudflare
        self.told, self.lock = {}, threading.Lock()

    def show(self):
        with self.lock:
            now = dict(self.cloudflare.texts())
            for zone in self.client.list_hosted_zones()["HostedZones"]:
                for name, found in texts(self.client, zone["Id"]).items():
                    now[name] = now.get(name, []) + found
            for name in set(now) | set(self.told):
                if now.get(name) != self.told.get(name):
                    self.tell("clear-txt", {"host": name + "."})
                    for text in now.get(name, []):
                        self.tell("set-txt", {"host": name + ".", "value": text})
            self.told = now

    def tell(self, what, body):
        urllib.request.urlopen(f"http://{self.server}/{what}", json.dumps(body).encode(), timeout=5).read()


def done(result):
    return 200, json.dumps({"success": True, "errors": [], "messages": [], "result": result}).encode()


def refused(status, code, message):
    errors = [{"code": code, "message": message}]
    return status, json.dumps({"success": False, "errors": errors, "messages": [], "result": None}).encode()
