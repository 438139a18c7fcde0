"""The stories of the company's tasks: what each kind of agent does when nothing is out of order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from agenttrail.simulate import _company as c
from agenttrail.simulate._story import Approval, Call, Chat, Handover, Task

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MINUTE, HOUR = 60_000, 3_600_000
REVIEWERS, OWNERS = "reviewers", "owners"
# Response times that the policy of the company promises.
TARGET_MS = {REVIEWERS: 15 * MINUTE, OWNERS: 60 * MINUTE}
VALID_MS = 4 * HOUR  # how long a request, and then a decision, holds
SMALL_JPY, LARGE_JPY = 10_000, 100_000


def token(rng: random.Random, prefix: str, length: int = 22) -> str:
    """An id as providers make them: letters and digits, with at least one digit between letters."""
    letters = "".join(rng.choices(_BASE62[10:], k=length - 2))
    return f"{prefix}{letters[0]}{rng.randrange(10)}{letters[1:]}{rng.randrange(10)}"


def uuid(rng: random.Random) -> str:
    """A UUID of version 4."""
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


class Pen:
    """Writes a task's steps one after another, moving its clock on."""

    def __init__(self, task: Task, steps: list[Any] | None = None, at: int | None = None) -> None:
        self.task, self.rng = task, task.rng
        self.steps = task.steps if steps is None else steps
        self.at = task.start + 400 if at is None else at
        self._context = self.rng.randrange(3_000, 9_000)

    def chat(self, text: str, *, final: bool = False) -> Chat:
        """The model answers; its context so far comes from the cache, what is new is written to it."""
        rng = self.rng
        fresh, output = rng.randrange(150, 1_800), rng.randrange(40, 700)
        first = not any(isinstance(step, Chat) for step in self.steps)
        step = Chat(
            at=self.at, ms=rng.randrange(700, 6_000), input=rng.randrange(5, 60), output=output,
            cache_read=0 if first else self._context, cache_write=self._context + fresh if first else fresh,
            text=text, final=final,
        )  # fmt: skip
        if self.task.agent.log == "codex":  # tells cached tokens from others and no more
            step.input, step.cache_write = step.input + step.cache_write, 0
        self._context += fresh + output
        self._add(step)
        return step

    def call(
        self, tool: str, arguments: dict[str, Any], result: dict[str, Any], *,
        error: str | None = None, ran: bool = True, ms: int | None = None,
    ) -> Call:  # fmt: skip
        """A tool is called."""
        step = Call(
            at=self.at, ms=ms or self.rng.randrange(40, 2_500), id=self.call_id(), server=c.TOOLS[tool].server,
            tool=tool, arguments=arguments, result=result, error=error, ran=ran,
        )  # fmt: skip
        self._add(step)
        return step

    def call_id(self) -> str:
        """An id as the agent's provider makes them."""
        return token(self.rng, "call_" if self.task.agent.log == "codex" else "toolu_01")

    def _add(self, step: Chat | Call) -> None:
        self.steps.append(step)
        self.at = step.end + self.rng.randrange(20, 300)


def support(task: Task) -> None:
    """A customer's question: looked up, answered, in one of twelve handed to a person."""
    pen, rng = Pen(task), task.rng
    customer = c.person(task.agent.office, rng.randrange(2_000))
    ticket = f"TCK-{rng.randrange(10**5, 10**6)}"
    pen.chat(f"Looking at {ticket}.")
    pen.call("get_ticket", {"ticket_id": ticket}, {"ticket_id": ticket, "from": customer.email, "text": task.prompt})  # fmt: skip
    pen.chat("I need the customer's record.")
    record = {"customer_id": customer.id, "name": customer.name, "email": customer.email, "phone": customer.phone}  # fmt: skip
    error = "upstream timed out" if rng.random() < 0.03 else None
    pen.call("find_customer", {"email": customer.email}, record, error=error)
    if error:
        pen.chat("Trying again.")
        pen.call("find_customer", {"email": customer.email}, record)
    if rng.random() < 0.3:
        pen.chat("The phone number changed.")
        pen.call("update_customer", {"customer_id": customer.id, "phone": customer.phone}, {"ok": True})  # fmt: skip
    if rng.random() < 1 / 12:
        task.human = True
        pen.chat("A person should decide this.")
        pen.call("hand_to_person", {"ticket_id": ticket, "reason": "refund"}, {"queue": "people"})
    else:
        pen.chat("Answering.")
        pen.call("reply", {"ticket_id": ticket, "text": f"{customer.name}: done"}, {"sent": True})
    _end(pen, rng, "Done.")


def expense(task: Task, asks: Callable[[str, int], str | None]) -> None:
    """A claim: read, paid or refused; who must be asked first is what policy says.

    `asks` gives the reason for which a payment needs a decision: always, sampling, or None.
    """
    pen, rng = Pen(task), task.rng
    claim, amount = f"EXP-{task.number:06}", _amount(rng)
    staff = task.user
    pen.chat(f"Reading {claim}.")
    pen.call("get_claim", {"claim_id": claim}, {"claim_id": claim, "employee": staff.name, "amount": amount, "currency": "JPY", "receipt": "attached"})  # fmt: skip
    pen.chat("The receipt is complete.")
    if rng.random() < 0.06:
        pen.call("reject_claim", {"claim_id": claim, "reason": "no receipt"}, {"state": "rejected"})
    else:
        arguments = {"claim_id": claim, "amount": amount, "currency": "JPY", "payee": staff.name}
        approval = None
        if asks(claim, amount) is not None:
            approval = ask(pen, arguments, large=amount > 5 * LARGE_JPY)
        if approval is None or approval.outcome == "allow":
            paid = pen.call("pay_claim", arguments, {"claim_id": claim, "state": "paid"})
        else:
            paid = pen.call("pay_claim", arguments, {}, error="rejected", ran=False, ms=60)
        if approval is not None:
            approval.call = paid
        if paid.ran:
            pen.chat("Paid; telling the employee.")
            pen.call("send_mail", {"to": staff.email, "body": f"{staff.name}: {claim} paid"}, {"sent": True})  # fmt: skip
    _end(pen, rng, f"{claim} is settled.")


def ask(
    pen: Pen, arguments: dict[str, Any], *, large: bool, wait_ms: int | None = None
) -> Approval:
    """A person is asked before a payment; the call that it is about comes after."""
    rng, task = pen.rng, pen.task
    task.human = True
    channel = OWNERS if large else REVIEWERS
    drawn = rng.random()
    outcome = "allow" if drawn < 0.92 else "deny" if drawn < 0.98 else "expired"
    wait = wait_ms or min(
        int(rng.lognormvariate(12.6, 0.6)), VALID_MS - 1
    )  # median about 5 minutes
    step = Approval(
        id=token(rng, "apr_", 12), at=pen.at, decided=None if outcome == "expired" else pen.at + wait, outcome=outcome,
        call=_later(arguments), approver=c.person(task.agent.office, 9_000 + rng.randrange(4)), role="owner" if large else "reviewer",
        channel=channel, expires=pen.at + VALID_MS,
    )  # fmt: skip
    task.steps.append(step)
    pen.at = step.end + 500
    return step


def _later(arguments: dict[str, Any]) -> Call:
    """Stands for the call until it is made."""
    return Call(at=0, ms=0, id="", server="finance", tool="pay_claim", arguments=arguments, result={})  # fmt: skip


def _amount(rng: random.Random) -> int:
    """Yen: most claims are small; the limits themselves occur."""
    drawn = rng.random()
    if drawn < 0.01:
        return rng.choice((SMALL_JPY, LARGE_JPY, SMALL_JPY - 1, LARGE_JPY + 1))
    if drawn < 0.62:
        return rng.randrange(400, SMALL_JPY)
    if drawn < 0.92:
        return rng.randrange(SMALL_JPY, LARGE_JPY + 1)
    return rng.randrange(LARGE_JPY + 1, 900_000)


def sales(task: Task) -> None:
    """A quote: the customer looked up, prices read, the quote made and sent."""
    pen, rng = Pen(task), task.rng
    customer = c.person(task.agent.office, rng.randrange(2_000))
    quote = f"Q-{task.number:06}"
    pen.chat("Looking the customer up.")
    pen.call("find_customer", {"email": customer.email}, {"customer_id": customer.id, "name": customer.name})  # fmt: skip
    for _ in range(rng.randrange(1, 4)):
        pen.chat("Reading prices.")
        pen.call("get_prices", {"product": f"P{rng.randrange(100, 999)}"}, {"unit_price": rng.randrange(100, 9_000), "currency": "THB"})  # fmt: skip
    pen.chat("Making the quote.")
    pen.call("create_quote", {"quote_id": quote, "customer_id": customer.id}, {"quote_id": quote})
    if rng.random() < 0.7:
        pen.call("send_mail", {"to": customer.email, "body": f"{customer.name}: {quote}"}, {"sent": True})  # fmt: skip
    _end(pen, rng, f"{quote} is out.")


def research(task: Task) -> None:
    """A study: searched by the planner, written by another agent that gets what it needs to know."""
    pen, rng = Pen(task), task.rng
    customer = c.person(task.agent.office, rng.randrange(2_000))
    document = f"DOC-{task.number:06}"
    known = {"document_id": document, "budget_jpy": str(rng.randrange(3, 90) * 100_000), "deadline": "2026-12-18", "contact": customer.email}  # fmt: skip
    pen.chat("Reading the brief.")
    pen.call("get_brief", {"document_id": document}, known)
    for _ in range(rng.randrange(2, 6)):
        pen.chat("Searching.")
        pen.call("search", {"query": f"market {rng.choice(('tea', 'silk', 'rice', 'robots'))} {rng.randrange(2020, 2027)}"}, {"found": True})  # fmt: skip
    pen.chat("Handing over for writing.")
    hand_over(pen, known, passed=dict(known), sections=rng.randrange(2, 5))
    _end(pen, rng, f"{document} is written.")


def hand_over(
    pen: Pen, known: dict[str, str], *, passed: dict[str, str], sections: int
) -> Handover:
    """The writer takes over, works by what it was passed, and gives back."""
    rng = pen.rng
    step = Handover(at=pen.at, id=pen.call_id(), to=c.WRITER, instance=f"a{rng.getrandbits(28):07x}", known=known, passed=passed)  # fmt: skip
    writer = Pen(pen.task, step.steps, pen.at + 300)
    for number in range(sections):
        writer.chat(f"Writing section {number + 1}.")
        writer.call("write_section", {"document_id": passed.get("document_id", "unknown"), "section": number + 1, "text": "Findings in short."}, {"ok": True})  # fmt: skip
    writer.chat("Written.", final=True)
    pen.task.steps.append(step)
    pen.at = step.end + 200
    return step


def helpdesk(task: Task) -> None:
    """An employee's account; the log is the wire of the servers, no model is seen."""
    pen, rng = Pen(task), task.rng
    staff = task.user
    pen.call("find_employee", {"name": staff.name}, {"employee_id": staff.id, "name": staff.name, "email": staff.email})  # fmt: skip
    if rng.random() < 0.6:
        pen.call("reset_password", {"employee_id": staff.id}, {"ok": True})
    elif rng.random() < 0.5:
        pen.call("delete_file", {"path": f"/home/{staff.id}/draft-{rng.randrange(999)}.bin"}, {"deleted": 1})  # fmt: skip


def _end(pen: Pen, rng: random.Random, text: str) -> None:
    """The last answer; in one of forty tasks the provider fails for good, in one of sixty the person leaves."""
    drawn = rng.random()
    if drawn < 1 / 40:
        pen.task.state = "failed"
    elif drawn < 1 / 40 + 1 / 60:
        pen.task.state = "abandoned"
    else:
        pen.chat(text, final=True)
