"""A story as a page: what on-call asks first, then a picture of the steps, then each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agenttrail.insight._page import COLOURS, render, svg
from agenttrail.insight._story_runs import runs
from agenttrail.insight.conflicts import Conflict
from agenttrail.insight.handover import Handed
from agenttrail.insight.story import EFFECTS, Step, Story, duration

_MOST_BARS = 80  # more cannot be told apart in a picture
_KINDS = ("answer", "call", "hand-over", "approval", "agent", "prompt", "error", "end", "note")

_TEMPLATE = """
<h1>{{ story.kind }} <code>{{ story.id }}</code></h1>
<p class="soft">{{ story.agent }}{% if story.department %} · {{ story.department }}{% endif %} · {{ started }} UTC</p>
<div class="cards">
  {% if story.state %}<div class="card"><b class="{{ 'good' if story.state == 'completed' else 'bad' if story.state == 'failed' else 'warn' }}">{{ story.state }}</b><span>{{ 'a person was called in' if story.escalated else 'without a person' }}</span></div>{% endif %}
  <div class="card"><b>{{ lasted }}</b><span>from first to last step</span></div>
  <div class="card"><b>{{ story.tool_calls }}</b><span>tool calls{% if story.failed_calls %}, {{ story.failed_calls }} failed{% endif %}</span></div>
  <div class="card"><b>{{ "{:,}".format(story.tokens) }}</b><span>tokens</span></div>
  <div class="card"><b>{% if story.currency %}{{ "%.4f"|format(story.cost) }} {{ story.currency }}{% else %}–{% endif %}</b><span>cost</span></div>
</div>
<h2>Is it safe to run again?</h2>
{% if last is none %}<p><span class="good">From the beginning.</span> No lasting effect was done.</p>
{% elif first is none %}<p><span class="bad">Nowhere.</span> Step {{ last.number }} ({{ last.title }}) was the last and changed something.</p>
{% else %}<p><span class="warn">From step {{ first.number }}</span>, behind step {{ last.number }} ({{ last.title }}). Running an earlier step again would repeat what lasts.</p>{% endif %}
{% if effects %}
<div class="wide"><table><tr><th>step</th><th>effect done</th><th>a second run</th></tr>
{% for step in effects %}<tr><td>{{ step.number }}</td><td class="t">{{ step.title }}{% if step.outcome == 'unknown' %} <span class="warn">no answer: check whether it was done</span>{% endif %}</td><td>{{ 'changes nothing more' if step.effect == 'repeatable' else 'does it again' }}</td></tr>
{% endfor %}</table></div>
{% endif %}
{% if handed %}
<h2>Hand-overs</h2>
{% for each in handed %}
<p>Step {{ each.step }} to <b>{{ each.to }}</b>: {% if each.lost %}<span class="warn">{{ each.lost|length }} of {{ each.known|length }} values that were known never got there.</span>{% else %}all {{ each.known|length }} values that were known were handed over.{% endif %}</p>
{% if each.lost %}<div class="wide"><table><tr><th>known</th><th>value</th><th>from step</th></tr>
{% for fact in each.lost %}<tr><td><code>{{ fact.key }}</code></td><td class="t">{{ fact.value }}</td><td>{{ fact.step }}</td></tr>
{% endfor %}</table></div>{% endif %}
{% endfor %}
{% endif %}
{% if conflicts %}
<h2>Records that another task changed too</h2>
<div class="wide"><table><tr><th>this task</th><th>the other</th><th>apart</th></tr>
{% for c in conflicts %}<tr><td>{{ c.first.tool }} <span class="soft">{{ c.first.at }}</span></td><td class="t">{{ c.second.tool }} of {{ c.second.agent }}, task <code>{{ c.second.task }}</code> <span class="soft">{{ c.second.at }}</span></td><td>{{ 'at the same time' if c.gap_s < 0 else '%.0f s'|format(c.gap_s) }}</td></tr>
{% endfor %}</table></div>
{% endif %}
{% for note in story.notes %}<p class="warn">{{ note }}</p>{% endfor %}
<h2>Steps</h2>
{% if picture %}<figure>{{ picture }}<figcaption>Seconds since the first step; each bar is a step, its letter says what it is.{% if cut %} The longest {{ cut }} are shown.{% endif %}</figcaption></figure>{% endif %}
{% if runs %}<div class="wide"><table>
<tr><th>step</th><th class="n">after</th><th>what</th><th></th><th class="n hide">took</th><th>remarks</th></tr>
{% for run in runs %}{% set step = run.first %}<tr><td style="padding-left: {{ step.depth }}rem">{{ run.number }}</td><td class="n">{{ "%.1f"|format((step.at_ms - begin) / 1000) }} s</td><td>{{ step.kind }}</td><td class="t">{{ run.title }}</td><td class="n hide">{{ duration(step.ms) if step.ms is not none else '' }}</td><td>{% if step.kind in ('call', 'hand-over') and step.outcome != 'success' %}<span class="bad">{{ 'failed' if step.outcome == 'failure' else 'no answer' }}</span> {% endif %}{{ effect_words.get(step.effect, '') }}{% for mark in step.findings %} <span class="tag bad">{{ mark.replace('_', ' ') }}</span>{% endfor %}</td></tr>
{% endfor %}</table></div>
{% else %}<p class="empty">No steps.</p>{% endif %}
<footer>agenttrail timeline · masked data</footer>
"""


def page(story: Story, handed: Sequence[Handed], conflicts: Sequence[Conflict]) -> str:
    """The page of a task or a conversation."""
    steps = story.in_order()
    begin = min((step.at_ms for step in steps), default=0)
    turned = [
        c if c.first.task == story.id else Conflict(c.record, c.second, c.first, c.gap_s)
        for c in conflicts
    ]
    return render(
        _TEMPLATE, title=f"{story.kind} {story.id}", story=story, runs=runs(steps), begin=begin, handed=handed,
        conflicts=turned, last=story.safe_after(), first=story.safe_from(), effects=story.effects(),
        started=story.started.replace("T", " ").removesuffix("Z")[:19], lasted=duration(story.seconds * 1000),
        duration=duration, effect_words=EFFECTS, picture=_picture(steps, begin),
        cut=_MOST_BARS if len(steps) > _MOST_BARS else 0,
    )  # fmt: skip


def _picture(steps: Sequence[Step], begin: int) -> Any:
    """A bar a step, on an axis of seconds; None where there is too little to see."""
    timed = [step for step in steps if step.ms]
    if len(timed) < 2:
        return None
    import altair as alt

    if len(timed) > _MOST_BARS:
        kept = set(map(id, sorted(timed, key=lambda s: -(s.ms or 0))[:_MOST_BARS]))
        timed = [step for step in timed if id(step) in kept]
    rows = [
        {
            "step": f"{step.number} {step.title[:40]}", "from": (step.at_ms - begin) / 1000,
            "to": (step.end_ms - begin) / 1000, "kind": step.kind, "letter": step.kind[0].upper(),
        }
        for step in timed
    ]  # fmt: skip
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    )
    kinds = [kind for kind in _KINDS if any(row["kind"] == kind for row in rows)]
    bars = base.mark_bar(height=11).encode(
        x=alt.X("from:Q", title="seconds"), x2="to:Q",
        color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds, range=list(COLOURS[: len(kinds)]))),
    )  # fmt: skip
    words = base.mark_text(align="left", dx=3, fontSize=10).encode(x="to:Q", text="letter:N")
    return svg((bars + words).properties(width=820, height=alt.Step(16)))
