#!/usr/bin/env python3
"""What a partner's systems do in a day beside single purchases, with grpcio and the protos alone: a
stream of earns, exchanges, a gift, a donation, and the events that tell of all of it.

    pip install grpcio grpcio-tools cryptography
    python3 examples/python/a_day.py --certificates DIR --partner harbor-hotels --charity green-grocer

The partner's terms have to agree on exchanges in both directions and on gifts, and the charity's on
donations. `first_earn.py` says what DIR is, and begins at the beginning.
"""

import argparse
import importlib
import pathlib
import tempfile
import uuid

from first_earn import assert_member, channel, expect_refusal, generate_stubs, money, show


def new_id():
    return str(uuid.uuid4())


class Day:
    """One partner's day."""

    def __init__(self, hub_channel, certificates, partner, charity):
        load = importlib.import_module
        self.points = load("entente.points.v1.points_service_pb2")
        self.events = load("entente.event.v1.event_service_pb2")
        self.types = load("entente.type.v1.money_pb2")
        self.pts = load("entente.points.v1.points_service_pb2_grpc").PointsServiceStub(hub_channel)
        self.watching = load("entente.event.v1.event_service_pb2_grpc").EventServiceStub(hub_channel)
        members = load("entente.member.v1.member_service_pb2")
        mem = load("entente.member.v1.member_service_pb2_grpc").MemberServiceStub(hub_channel)
        partners = load("entente.partner.v1.partner_service_pb2")
        own = load("entente.partner.v1.partner_service_pb2_grpc").PartnerServiceStub(hub_channel)
        terms = own.GetTermsInForce(partners.GetTermsInForceRequest(), timeout=5).terms
        self.currency = terms.agreement.currency
        self.category = terms.agreement.categories[0].category.replace("*", "other")
        self.charity = charity
        self.giver, self.friend = (f"py-{uuid.uuid4().hex[:8]}" for _ in range(2))
        for reference in (self.giver, self.friend):
            assertion = assert_member(certificates, partner, reference)
            request = members.LinkMemberRequest(request_id=new_id(), member_assertion=assertion)
            mem.LinkMember(request, timeout=5)

    def purchase(self, amount):
        return self.points.EarnRequest(
            request_id=new_id(),
            member_reference=self.giver,
            spend=money(self.types, self.currency, amount),
            category=self.category,
        )

    def stream_earns(self):
        """Sends lines without waiting, one of them malformed; answers come in their order."""
        earns = [self.purchase(100 + line) for line in range(50)]
        earns[20].ClearField("spend")
        lines = [self.points.EarnStreamRequest(sequence=n, earn=earn) for n, earn in enumerate(earns, 1)]
        answers = list(self.pts.EarnStream(iter(lines), timeout=20))
        assert [answer.sequence for answer in answers] == list(range(1, 51))
        assert [answer.request_id for answer in answers] == [earn.request_id for earn in earns]
        refused = [answer.sequence for answer in answers if answer.WhichOneof("outcome") == "refusal"]
        assert refused == [21], refused
        print(f"stream: {len(answers) - len(refused)} lines earned, line 21 refused")
        return [answer.earned.operation for answer in answers if answer.sequence not in refused]

    def exchange(self, name, **amount):
        request = self.points.ExchangeRequest(
            request_id=new_id(), member_reference=self.giver, **amount
        )
        answer = self.pts.Exchange(request, timeout=5)
        show(name, answer)
        again = self.pts.Exchange(request, timeout=5)
        assert again.replayed and again.operation == answer.operation
        return answer.operation

    def give(self, to, points):
        return self.points.TransferRequest(
            request_id=new_id(), from_member_reference=self.giver, to_member_reference=to, points=points
        )

    def donation(self, charity, points):
        return self.points.DonateRequest(
            request_id=new_id(), member_reference=self.giver, charity=charity, points=points
        )

    def watch(self, count, **start):
        """The ids of the next events of operations and refusals, and a token to go on behind them."""
        call = self.watching.Watch(self.events.WatchRequest(**start), timeout=30)
        seen, token = [], ""
        for answer in call:
            token = answer.resume_token
            what = answer.event.WhichOneof("what") if answer.WhichOneof("what") == "event" else None
            if what in ("operation", "refusal"):
                seen.append(getattr(answer.event, what).request_id)
            if len(seen) == count:
                call.cancel()
                return seen, token
        raise AssertionError(f"the stream ended after {len(seen)} of {count}")

    def play(self):
        operations = self.stream_earns()
        began = operations[0].posted_at
        operations.append(self.exchange("exchange in", own_points=3_000))
        operations.append(self.exchange("exchange out", points=100))
        given = self.pts.Transfer(self.give(self.friend, 200), timeout=5)
        show("give 200", given)
        donated = self.pts.Donate(self.donation(self.charity, 50), timeout=5)
        show("donate 50", donated)
        assert donated.balances.available == given.balances.available - 50
        operations += [given.operation, donated.operation]

        refused = [self.give(self.giver, 1), self.donation("nobody", 1)]
        expect_refusal("give to oneself", self.pts.Transfer, refused[0], "TRANSFER_TO_SELF")
        expect_refusal("donate to nobody", self.pts.Donate, refused[1], "NOT_A_CHARITY")

        # All of it is told, once; a stream that was cut goes on where it was.
        expected = {operation.request_id for operation in operations}
        expected |= {request.request_id for request in refused}
        first, token = self.watch(10, from_time=began)
        rest, _ = self.watch(len(expected) - 10, resume_token=token)
        assert len(first + rest) == len(expected) and set(first + rest) == expected
        print(f"watch: {len(expected)} events, once each")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    arguments.add_argument("--hub", default="localhost:7443", help="where partners connect")
    arguments.add_argument("--certificates", type=pathlib.Path, required=True)
    arguments.add_argument("--partner", default="harbor-hotels", help="the partner's code")
    arguments.add_argument("--charity", default="green-grocer", help="the charity's code")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate_stubs(folder)
        with channel(given.hub, given.certificates, given.partner) as hub_channel:
            Day(hub_channel, given.certificates, given.partner, given.charity).play()
    print("done")


if __name__ == "__main__":
    main()
