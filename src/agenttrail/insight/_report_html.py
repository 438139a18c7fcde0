"""A report as one page: no network, readable on a phone, on paper and without colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agenttrail.insight._page import COLOURS, render, svg
from agenttrail.insight._report_words import words
from agenttrail.insight.story import duration

_TEMPLATE = """
{% macro share(value) %}{{ "–" if value is none else "%.1f %%"|format(value * 100) }}{% endmacro %}
{% macro number(value) %}{{ "–" if value is none else ("{:,.0f}".format(value) if value >= 1000 else "%.3g"|format(value)) }}{% endmacro %}
{% macro money(value, currency) %}{{ "–" if value is none else "{:,.2f} {}".format(value, currency) }}{% endmacro %}
<h1>{{ title }}</h1>
{% if not r.period.events %}<p class="empty">{{ w.no_events }}</p>
{% else %}
<p class="soft">{{ r.period["from"][:10] }} {{ w.to }} {{ r.period["to"][:10] }} (UTC) · {{ "{:,}".format(r.period.events) }} {{ w.events }}</p>
<div class="cards">
  <div class="card"><b>{{ "{:,}".format(r.tasks.ended) }}</b><span>{{ w.tasks_ended }}</span></div>
  <div class="card"><b>{{ share(r.tasks.success) }}</b><span>{{ w.done_alone }}</span></div>
  <div class="card"><b>{{ share(r.tasks.escalation) }}</b><span>{{ w.escalated }}</span></div>
  <div class="card"><b>{{ money(r.tasks.cost, r.tasks.currency) if r.tasks.currency else "–" }}</b><span>{{ w.cost }}</span></div>
  <div class="card"><b>{{ number(r.value.hours_saved) if r.value.agents else "–" }}</b><span>{{ w.hours_saved }}</span></div>
</div>

<h2>{{ w.quality }}</h2>
{% if pictures.success %}<figure>{{ pictures.success }}<figcaption>● {{ w.success }} · ◇ {{ w.target }}</figcaption></figure>{% endif %}
<div class="wide"><table><tr><th>{{ w.agent }}</th><th class="n">{{ w.tasks }}</th><th class="n">{{ w.success }}</th><th>{{ w.target }}</th><th class="n">{{ w.escalation }}</th><th class="n">{{ w.calls_per_task }}</th><th class="n hide">{{ w.tokens_per_task }}</th><th class="n">{{ w.cost_per_task }}</th><th class="n hide">{{ w.failed_work }}</th><th class="n hide">{{ w.open }}</th></tr>
{% for s in r.slis %}<tr><td style="white-space: nowrap">{{ s.agent }}</td><td class="n">{{ s.ended }}</td><td class="n">{{ share(s.success) }}</td><td>{% if s.met.get("task_success") is none %}<span class="soft">{{ w.no_target }}</span>{% elif s.met.task_success %}<span class="good">✓ {{ w.met }} ({{ share(s.targets.task_success) }})</span>{% else %}<span class="bad">✗ {{ w.missed }} ({{ share(s.targets.task_success) }})</span>{% endif %}</td><td class="n">{{ share(s.escalation) }}</td><td class="n">{{ number(s.calls_per_task) }}</td><td class="n hide">{{ number(s.tokens_per_task) }}</td><td class="n">{{ "–" if s.cost_per_task is none or not s.currency else "%.4f %s"|format(s.cost_per_task, s.currency) }}</td><td class="n hide">{{ share(s.failed_work) }}</td><td class="n hide">{{ s.open }}</td></tr>
{% endfor %}</table></div>
{% if pictures.daily %}<h2>{{ w.tasks_a_day }}</h2><figure>{{ pictures.daily }}</figure>{% endif %}

<h2>{{ w.cost_by_department }}</h2>
{% if r.cost.by_department %}
{% if pictures.cost %}<figure>{{ pictures.cost }}<figcaption>▬ {{ w.month_so_far }} · ┆ {{ w.forecast }} · ◇ {{ w.budget }}</figcaption></figure>{% endif %}
<div class="wide"><table><tr><th>{{ w.department }}</th><th class="n">{{ w.spent }}</th><th class="n">{{ w.month_so_far }}</th><th class="n">{{ w.forecast }}</th><th class="n">{{ w.budget }}</th><th></th></tr>
{% for d in r.cost.by_department %}<tr><td>{{ d.department or "–" }}</td><td class="n">{{ money(d.cost, d.currency) }}</td><td class="n">{{ money(d.month_cost, d.currency) }}</td><td class="n">{{ money(d.month_forecast, d.currency) }}</td><td class="n">{{ money(d.budget, d.currency) }}</td><td>{% if d.over %}<span class="bad">✗ {{ w.over }}</span>{% elif d.over is not none %}<span class="good">✓ {{ w.within }}</span>{% endif %}</td></tr>
{% endfor %}</table></div>
<p class="soft">{{ w.forecast_how }}</p>
<div class="wide"><table><tr><th>{{ w.agent }}</th><th class="n">{{ w.cost }}</th><th class="n">{{ w.cache_share }}</th></tr>
{% for a in r.cost.by_agent %}<tr><td>{{ a.agent }}</td><td class="n">{{ money(a.cost, a.currency) }}</td><td class="n">{{ share(a.cache_share) }}</td></tr>
{% endfor %}</table></div>
{% else %}<p class="empty">–</p>{% endif %}

<h2>{{ w.approvals }}</h2>
{% if r.approvals.channels or r.approvals.requests %}
<div class="wide"><table><tr><th>{{ w.channel }}</th><th class="n">{{ w.decisions }}</th><th class="n">{{ w.median_wait }}</th><th class="n">{{ w.p95_wait }}</th><th class="n">{{ w.target }}</th><th class="n">{{ w.in_time }}</th></tr>
{% for c in r.approvals.channels %}<tr><td>{{ c.channel or "–" }}</td><td class="n">{{ c.decisions }}</td><td class="n">{{ duration(c.median_wait_ms) if c.median_wait_ms is not none else "–" }}</td><td class="n">{{ duration(c.p95_wait_ms) if c.p95_wait_ms is not none else "–" }}</td><td class="n">{{ duration(c.target_ms) if c.target_ms is not none else "–" }}</td><td class="n">{{ share(c.share_in_time) }}</td></tr>
{% endfor %}</table></div>
{% if r.approvals.workload %}<div class="wide"><table><tr><th>{{ w.channel }}</th><th class="n">{{ w.busiest }}</th><th class="n">{{ w.growth }}</th><th class="n">{{ w.needed }}</th><th class="n">{{ w.needed_soon }}</th><th></th></tr>
{% for c in r.approvals.workload %}<tr><td>{{ c.channel or "–" }}</td><td class="n">{{ "%.2f"|format(c.busiest.requests_per_hour) }} / h</td><td class="n">{{ "%+.0f %%"|format((c.growth_per_week - 1) * 100) }}</td><td class="n">{{ c.reviewers_needed }}</td><td class="n">{{ c.reviewers_needed_in_4_weeks }}</td><td>{% if c.overload == "now" %}<span class="bad">✗ {{ w.overload_now }}</span>{% elif c.overload == "in 4 weeks" %}<span class="warn">! {{ w.overload_soon }}</span>{% endif %}</td></tr>
{% endfor %}</table></div>
<p class="soft">{{ w.workload_how.format(minutes="%g"|format(r.approvals.workload[0].review_minutes)) }}</p>{% endif %}
{% else %}<p class="empty">{{ w.no_approvals }}</p>{% endif %}

<h2>{{ w.incidents }}</h2>
{% if r.incidents %}<div class="wide"><table><tr><th>{{ w.mark }}</th><th>{{ w.kind }}</th><th class="n">{{ w.events }}</th><th class="n">{{ w.tasks }}</th><th>{{ w.agents }}</th></tr>
{% for i in r.incidents %}<tr><td class="t"><code>{{ i.name }}</code></td><td>{{ i.kind }}</td><td class="n">{{ i.events }}</td><td class="n">{{ i.tasks }}</td><td class="t">{{ i.agents|join(", ") }}</td></tr>
{% endfor %}</table></div>{% else %}<p class="empty">{{ w.no_incidents }}</p>{% endif %}

<h2>{{ w.value }}</h2>
{% if r.value.agents %}<div class="wide"><table><tr><th>{{ w.agent }}</th><th class="n">{{ w.hours_saved }}</th><th>{{ w.counted_by }}</th><th class="n">{{ w.worth }}</th><th class="n">{{ w.running_cost }}</th><th class="n">{{ w["return"] }}</th></tr>
{% for v in r.value.agents %}<tr><td>{{ v.agent }}</td><td class="n">{{ "%.1f"|format(v.hours_saved) }}</td><td>{{ v.counted_by }}</td><td class="n">{{ money(v.worth, v.worth_currency) }}</td><td class="n">{{ money(v.running_cost, v.cost_currency) if v.cost_currency else "–" }}</td><td class="n">{{ money(v["return"], v.worth_currency) }}</td></tr>
{% endfor %}</table></div><p class="soft">{{ w.value_how }}</p>{% else %}<p class="empty">{{ w.no_value }}</p>{% endif %}

<h2>{{ w.evaluations }}</h2>
{% if r.evaluations %}<div class="wide"><table><tr><th>{{ w.agent }}</th><th>{{ w.mark }}</th><th class="n">{{ w.results }}</th><th class="n">{{ w.tasks }}</th><th class="n">{{ w.mean }}</th><th>{{ w.labels }}</th></tr>
{% for e in r.evaluations %}<tr><td>{{ e.agent or "–" }}</td><td>{{ e.name }}</td><td class="n">{{ e.results }}</td><td class="n">{{ e.tasks }}</td><td class="n">{{ number(e.mean) }}</td><td class="t">{% for label, n in e.labels.items() %}{{ label }} {{ n }}{{ ", " if not loop.last }}{% endfor %}</td></tr>
{% endfor %}</table></div>{% else %}<p class="empty">{{ w.no_evaluations }}</p>{% endif %}

<h2>{{ w.agents }}</h2>
<p>{{ w.agents_of.format(active=r.agents.active, registered=r.agents.registered) }}</p>
{% if r.agents.unregistered %}<p class="bad">✗ {{ w.unregistered }}: {{ r.agents.unregistered|join(", ") }}</p>{% endif %}
{% if r.agents.silent %}<p class="warn">! {{ w.silent }}: {{ r.agents.silent|join(", ") }}</p>{% endif %}
<div class="wide"><table><tr><th>{{ w.agent }}</th><th>{{ w.department }}</th><th class="n">{{ w.events }}</th><th>{{ w.versions }}</th><th>{{ w.last_seen }}</th></tr>
{% for a in r.agents.list %}<tr><td>{{ a.agent }}</td><td>{{ a.department }}</td><td class="n">{{ "{:,}".format(a.events) }}</td><td class="t">{{ a.versions|join(", ") }}</td><td>{{ a.last[:10] }}</td></tr>
{% endfor %}</table></div>

<h2>{{ w.audit }}</h2>
<div class="wide"><table>
<tr><td>{{ w.of_registered }}</td><td class="n">{{ share(r.coverage.of_a_registered_agent / r.coverage.events) }}</td></tr>
<tr><td>{{ w.of_task }}</td><td class="n">{{ share(r.coverage.of_a_task / r.coverage.events) }}</td></tr>
<tr><td>{{ w.no_answer }}</td><td class="n">{{ r.coverage.calls_without_an_answer }}</td></tr>
<tr><td>{{ w.unreadable }}</td><td class="n">{{ r.coverage.unreadable }}</td></tr>
<tr><td>{{ w.without_content }}</td><td class="n">{% if r.masking.failed %}<span class="bad">{{ r.masking.failed }}</span>{% else %}0{% endif %}</td></tr>
<tr><td>{{ w.findings }}</td><td class="n">{{ "{:,}".format(r.masking.findings) }}</td></tr>
</table></div>
<p>{% for kind, n in r.masking.by_kind.items() %}<span class="tag">{{ kind }} {{ "{:,}".format(n) }}</span>{% endfor %}</p>
<p>{% for name, n in r.coverage.formats.items() %}<span class="tag">{{ name }} {{ "{:,}".format(n) }}</span>{% endfor %}</p>
{% endif %}
<footer>{{ w.made }}</footer>
"""


def page(report: Mapping[str, Any], language: str, *, review: bool = False) -> str:
    """The page of a report.

    Args:
        report: what `report.report` gave.
        language: en, ja or th.
        review: with the title of the half-yearly review.
    """
    w = words(language)
    pictures = {"daily": None, "success": None, "cost": None}
    if report["period"]["events"]:
        pictures = {"daily": _daily(report, w), "success": _success(report, w), "cost": _cost(report, w)}  # fmt: skip
    title = w["review"] if review else w["title"]
    return render(_TEMPLATE, title=title, language=language, r=report, w=w, pictures=pictures, duration=duration)  # fmt: skip


def _daily(report: Mapping[str, Any], w: Mapping[str, str]) -> Any:
    """Tasks that ended by day: stacked, each end with its own colour and its name in the legend."""
    ends = ("completed", "failed", "abandoned")
    rows = [
        {"day": day["day"], "end": w[end], "tasks": day[end], "order": place}
        for day in report["daily"]
        for place, end in enumerate(ends)
        if day[end]
    ]
    if not rows:
        return None
    import altair as alt

    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X("day:T", title=None, axis=alt.Axis(format="%m-%d", labelAngle=0, tickCount=8)),
            y=alt.Y("tasks:Q", title=w["tasks"], axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("end:N", title=None, scale=alt.Scale(domain=[w[e] for e in ends], range=["#0072B2", "#D55E00", "#999999"])),
            order="order:Q",
        )
        .properties(width=900, height=180)
    )  # fmt: skip
    return svg(chart)


def _success(report: Mapping[str, Any], w: Mapping[str, str]) -> Any:
    """Task success by agent: a dot, and a diamond where its target is."""
    rows = [
        {"agent": s["agent"], "success": s["success"], "target": s["targets"].get("task_success"), "said": f"{s['success']:.0%}"}
        for s in report["slis"]
        if s["success"] is not None
    ]  # fmt: skip
    if not rows:
        return None
    import altair as alt

    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("agent:N", title=None))
    axis = alt.Axis(format="%", tickCount=6)
    scale = alt.Scale(domain=[0, 1])
    dots = base.mark_point(filled=True, size=110, color=COLOURS[0]).encode(x=alt.X("success:Q", title=w["success"], axis=axis, scale=scale))  # fmt: skip
    goals = base.transform_filter("datum.target != null").mark_point(shape="diamond", size=130, color=COLOURS[5], strokeWidth=2).encode(x=alt.X("target:Q", scale=scale))  # fmt: skip
    said = base.mark_text(align="right", dx=-10, fontSize=11).encode(x=alt.X("success:Q", scale=scale), text="said:N")  # fmt: skip
    return svg((dots + goals + said).properties(width=860, height=alt.Step(22)))


def _cost(report: Mapping[str, Any], w: Mapping[str, str]) -> Any:
    """The month so far by department: a bar, a line where the forecast ends, a diamond at the budget."""
    rows = [
        {"department": d["department"] or "–", "cost": d["month_cost"], "forecast": d["month_forecast"], "budget": d["budget"]}
        for d in report["cost"]["by_department"]
        if d["month_cost"] is not None
    ]  # fmt: skip
    currencies = {d["currency"] for d in report["cost"]["by_department"]}
    if not rows or len(currencies) != 1:
        return None  # bars of two currencies have no common axis
    import altair as alt

    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("department:N", title=None))
    bars = base.mark_bar(color=COLOURS[4], height=12).encode(x=alt.X("cost:Q", title=f"{w['cost']} ({currencies.pop()})"))  # fmt: skip
    ahead = base.mark_rule(strokeDash=[4, 3], strokeWidth=2, color=COLOURS[0]).encode(x="cost:Q", x2="forecast:Q")  # fmt: skip
    goals = base.transform_filter("datum.budget != null").mark_point(shape="diamond", size=120, color=COLOURS[5], strokeWidth=2).encode(x="budget:Q")  # fmt: skip
    return svg((bars + ahead + goals).properties(width=860, height=alt.Step(24)))
