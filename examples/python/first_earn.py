#!/usr/bin/env python3
"""From a certificate to the first Earn, with grpcio and the protos alone.

    pip install grpcio grpcio-tools cryptography
    python3 examples/python/first_earn.py --certificates DIR --partner harbor-hotels

DIR is a folder as `entente pki` makes it: hub-ca.pem, trust-domain, and of the partner, in partners/CODE,
client.pem, client.key and client-assertion.key. The partner has to exist, to have terms, and its assertion
key to be registered; `entente demo --serve` sees to all of it and prints this command.
"""

import argparse
import base64
import hashlib
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

import grpc
from cryptography.hazmat.primitives import serialization

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def generate_stubs(folder):
    """Makes Python of the contract, in a folder from which it can be imported."""
    protos = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}"]
    outputs = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    subprocess.run(command + outputs + protos, check=True)
    sys.path.insert(0, str(folder))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(certificates, partner, typ, claims):
    """A JWT by the partner's registered Ed25519 key, for this hub: good once, and for a minute."""
    domain = (certificates / "trust-domain").read_text().strip()
    pem = (certificates / "partners" / partner / "client-assertion.key").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    public = key.public_key().public_bytes_raw()
    # The key's name is its RFC 7638 thumbprint: of its required members, in this order.
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(public)}"}}'
    kid = base64url(hashlib.sha256(jwk.encode()).digest())
    identity, now = f"spiffe://{domain}/partner/{partner}", int(time.time())
    common = {"iss": identity, "sub": identity, "aud": f"https://{domain}"}
    common |= {"iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    header = {"typ": typ, "alg": "EdDSA", "kid": kid}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, common | claims))
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def assertion(certificates, partner):
    """Says who calls."""
    return sign(certificates, partner, "client-authentication+jwt", {})


def assert_member(certificates, partner, reference):
    """Says of a member of the partner's own who it is, and what it has agreed to just now."""
    consent = {"wording_version": "1", "at": int(time.time())}
    claims = {"sub": reference, "consent": consent}
    return sign(certificates, partner, "member-link+jwt", claims)


def ssl_credentials(certificates, partner):
    """Mutual TLS: the hub's root, and the partner's own certificate and key."""
    client = certificates / "partners" / partner
    return grpc.ssl_channel_credentials(
        root_certificates=(certificates / "hub-ca.pem").read_bytes(),
        private_key=(client / "client.key").read_bytes(),
        certificate_chain=(client / "client.pem").read_bytes(),
    )


class Tokens(grpc.AuthMetadataPlugin):
    """Puts a token on every call, and gets another when two thirds of its life are over."""

    def __init__(self, hub, certificates, partner):
        self.tokens = importlib.import_module("entente.identity.v1.token_service_pb2")
        services = importlib.import_module("entente.identity.v1.token_service_pb2_grpc")
        channel = grpc.secure_channel(hub, ssl_credentials(certificates, partner))
        self.service = services.TokenServiceStub(channel)
        self.sign = lambda: assertion(certificates, partner)
        self.token, self.renew_at = None, 0

    def __call__(self, context, callback):
        try:
            if time.time() >= self.renew_at:
                self.renew()
            callback((("authorization", f"Bearer {self.token}"),), None)
        except Exception as error:  # the call fails with it
            callback((), error)

    def renew(self):
        asked, begun = self.tokens.IssueTokenRequest(client_assertion=self.sign()), time.time()
        issued = self.service.IssueToken(asked, timeout=5)
        self.token = issued.access_token
        self.renew_at = begun + (issued.expires_at.seconds - begun) * 2 / 3


def channel(hub, certificates, partner):
    """A channel whose calls carry a token that is bound to the certificate."""
    tokens = grpc.metadata_call_credentials(Tokens(hub, certificates, partner))
    ssl = ssl_credentials(certificates, partner)
    return grpc.secure_channel(hub, grpc.composite_channel_credentials(ssl, tokens))


def error_details(error):
    """The reason, the metadata and the field violations of a refusal."""
    from google.rpc import error_details_pb2, status_pb2

    found = {}
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                found["reason"], found["metadata"] = info.reason, dict(info.metadata)
            elif detail.Unpack(bad):
                found["violations"] = [(v.field, v.description) for v in bad.field_violations]
    return found


def expect_refusal(name, call, request, reason):
    """Makes a call that has to be refused, and shows why it was."""
    try:
        call(request, timeout=5)
    except grpc.RpcError as error:
        details = error_details(error)
        print(f"{name}: {error.code().name} {details}")
        assert details.get("reason") == reason, f"expected {reason}"
        return
    raise AssertionError(f"{name} was not refused")


def money(types, currency, amount):
    return types.Money(currency=currency, micros=amount * 1_000_000)


def show(name, answer):
    operation, balances = answer.operation, answer.balances
    left = f"available {balances.available}, held {balances.held}, debt {balances.debt}"
    replayed = ", replayed" if answer.replayed else ""
    print(f"{name}: {operation.points} points; {left}; terms {operation.terms_version}{replayed}")


def play(hub_channel, certificates, partner):
    """Links a member, earns, burns, reverses and reads; asserts what the contract promises."""
    points = importlib.import_module("entente.points.v1.points_service_pb2")
    points_grpc = importlib.import_module("entente.points.v1.points_service_pb2_grpc")
    members = importlib.import_module("entente.member.v1.member_service_pb2")
    members_grpc = importlib.import_module("entente.member.v1.member_service_pb2_grpc")
    partners = importlib.import_module("entente.partner.v1.partner_service_pb2")
    partners_grpc = importlib.import_module("entente.partner.v1.partner_service_pb2_grpc")
    types = importlib.import_module("entente.type.v1.money_pb2")
    pts = points_grpc.PointsServiceStub(hub_channel)
    mem = members_grpc.MemberServiceStub(hub_channel)

    # A partner may read its own terms: what it earns in, and which categories it has.
    own = partners_grpc.PartnerServiceStub(hub_channel)
    terms = own.GetTermsInForce(partners.GetTermsInForceRequest(), timeout=5).terms
    agreement = terms.agreement
    category = agreement.categories[0].category.replace("*", "other")
    print(f"terms {terms.version} of {terms.partner}: {agreement.currency}, {category}")

    reference = f"py-{uuid.uuid4().hex[:8]}"
    assertion = assert_member(certificates, partner, reference)
    link = members.LinkMemberRequest(request_id=str(uuid.uuid4()), member_assertion=assertion)
    print(f"link {reference}: token {mem.LinkMember(link, timeout=5).member_token}")

    # Make the id once and keep it: whatever happens on the way, the same request has one effect.
    earn = points.EarnRequest(
        request_id=str(uuid.uuid4()),
        member_reference=reference,
        spend=money(types, agreement.currency, 200),
        category=category,
        receipt_reference=f"PY-{uuid.uuid4()}",  # one earn for each receipt, ever
    )
    first = pts.Earn(earn, timeout=5)
    show("earn 200.00", first)
    again = pts.Earn(earn, timeout=5)
    show("the same again", again)
    assert again.replayed and again.operation == first.operation

    half = first.balances.available // 2
    burn = points.BurnRequest(request_id=str(uuid.uuid4()), member_reference=reference, points=half)
    show(f"burn {half}", pts.Burn(burn, timeout=5))
    undo = points.ReverseRequest(
        request_id=str(uuid.uuid4()), original_request_id=burn.request_id, points=half
    )
    undone = pts.Reverse(undo, timeout=5)
    show("reverse the burn", undone)
    assert undone.balances == first.balances

    # Three refusals: too few points, another content under a used id, and malformed fields.
    greedy = points.BurnRequest(
        request_id=str(uuid.uuid4()), member_reference=reference, points=10**9
    )
    expect_refusal("burn too much", pts.Burn, greedy, "POINTS_INSUFFICIENT")
    changed = points.EarnRequest()
    changed.CopyFrom(earn)
    changed.spend.micros += 1
    expect_refusal("same id, other content", pts.Earn, changed, "REQUEST_ID_REUSED")
    expect_refusal("malformed", pts.Earn, points.EarnRequest(request_id="?"), "MALFORMED")

    asked = points.GetOperationRequest(request_id=earn.request_id)
    assert pts.GetOperation(asked, timeout=5).operation == first.operation
    balance = mem.GetBalance(members.GetBalanceRequest(member_reference=reference), timeout=5)
    months = [f"{e.points} of {e.issuer} in {e.month}" for e in balance.expiries]
    print(f"balance: {balance.balances.available} available; expiring: {', '.join(months)}")
    listed = members.ListOperationsRequest(member_reference=reference)
    kinds = [operation.kind for operation in mem.ListOperations(listed, timeout=5).operations]
    print(f"operations, newest first: {len(kinds)}")
    # The burn that was finally refused has its place in the list of no one.
    assert len(kinds) == 3, kinds


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--hub", default="localhost:7443", help="where partners connect")
    arguments.add_argument("--certificates", type=pathlib.Path, required=True)
    arguments.add_argument("--partner", default="harbor-hotels", help="the partner's code")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate_stubs(folder)
        with channel(given.hub, given.certificates, given.partner) as hub_channel:
            play(hub_channel, given.certificates, given.partner)
    print("done")


if __name__ == "__main__":
    main()
