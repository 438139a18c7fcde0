"""Stage 3: context. An enricher adds to an event from raw values and sends nothing."""

from agenttrail.enrichers.approvals import ApprovalsOptions
from agenttrail.enrichers.budgets import BudgetsOptions
from agenttrail.enrichers.cost import CostOptions
from agenttrail.enrichers.policy import PolicyOptions
from agenttrail.enrichers.registry import RegistryOptions
from agenttrail.enrichers.set_fields import SetFieldsOptions
from agenttrail.enrichers.tasks import TasksOptions

EnricherOptions = (
    ApprovalsOptions
    | BudgetsOptions
    | CostOptions
    | PolicyOptions
    | RegistryOptions
    | SetFieldsOptions
    | TasksOptions
)
