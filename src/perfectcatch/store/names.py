"""Names of PostgreSQL schemas: promises to everybody who reads the database with SQL."""

from typing import Final

MIRROR: Final = "servicetitan"  # mirror tables and the bookkeeping of the sync
AUTOMATION: Final = "automation"  # business events and what follows from them
INTEGRATIONS: Final = "integrations"  # what other systems have, as it was read, and how it belongs to ours
PUBLIC: Final = "public"  # views for people, and what belongs to no company

SCHEMAS: Final = (
    MIRROR,
    AUTOMATION,
    INTEGRATIONS,
)  # those that a migration creates; ``public`` is always there


def quote(name: str) -> str:
    """``name`` as an SQL identifier, quoted whatever it is: a column may be called ``end`` or ``order``."""
    return '"' + name.replace('"', '""') + '"'


def split(table: str) -> tuple[str, str]:
    """``schema.name`` as its two parts; a bare name is in ``public``."""
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else (PUBLIC, schema)


def qualified(table: str) -> str:
    """``schema.name`` as an SQL identifier."""
    schema, name = split(table)
    return f"{quote(schema)}.{quote(name)}"


def beside(table: str, neighbour: str) -> str:
    """``table`` as an SQL identifier; a bare name lies in the schema of ``neighbour``."""
    return qualified(table if "." in table else f"{split(neighbour)[0]}.{table}")


def index_name(table: str, column: str) -> str:
    """The name of the index on a column of a mirror table; ``table`` with its schema or without."""
    return f"{split(table)[1]}_{column}_idx"


def schema_of_helpers() -> str:
    """Name the schema that holds our SQL functions."""
    return MIRROR


HISTORY: Final = qualified(f"{MIRROR}.record_history")
QUARANTINE: Final = qualified(f"{MIRROR}.sync_quarantine")
DRIFT: Final = qualified(f"{MIRROR}.schema_drift")
SYNC_STATE: Final = qualified(f"{MIRROR}.sync_state")
SYNC_RUNS: Final = qualified(f"{MIRROR}.sync_runs")
SYNC_LOG: Final = qualified(f"{MIRROR}.st_sync_log")
SWEEP_IDS: Final = qualified(f"{MIRROR}.sweep_ids")
HOLDS: Final = qualified(f"{MIRROR}.sync_holds")
SYNC_GAPS: Final = qualified(f"{MIRROR}.sync_gaps")
BACKFILLS: Final = qualified(f"{MIRROR}.sync_backfills")
SUSPENDED: Final = qualified(f"{MIRROR}.suspended_indexes")
EVENTS: Final = qualified(f"{AUTOMATION}.events")
WEBHOOKS: Final = qualified(f"{AUTOMATION}.webhooks")
API_KEYS: Final = qualified(f"{AUTOMATION}.api_keys")
IDEMPOTENCY_KEYS: Final = qualified(f"{AUTOMATION}.idempotency_keys")
AUDIT_LOG: Final = qualified(f"{AUTOMATION}.audit_log")
MESSAGES: Final = qualified(f"{AUTOMATION}.messaging_log")
CONSENTS: Final = qualified(f"{AUTOMATION}.messaging_consents")
OPT_OUTS: Final = qualified(f"{AUTOMATION}.messaging_opt_outs")
ADDRESSES: Final = qualified(f"{AUTOMATION}.messaging_addresses")
MESSAGE_HOLDS: Final = qualified(f"{AUTOMATION}.messaging_holds")
RECEIVED: Final = qualified(f"{AUTOMATION}.messaging_received")
TEMPLATES: Final = qualified(f"{AUTOMATION}.messaging_templates")
MESSAGE_RULES: Final = qualified(f"{AUTOMATION}.messaging_rules")
DEFINITIONS: Final = qualified(f"{AUTOMATION}.workflow_definitions")
INSTANCES: Final = qualified(f"{AUTOMATION}.workflow_instances")
STARTS: Final = qualified(f"{AUTOMATION}.workflow_starts")
EXECUTIONS: Final = qualified(f"{AUTOMATION}.workflow_step_executions")
TIMERS: Final = qualified(f"{AUTOMATION}.workflow_timers")
DEAD_LETTERS: Final = qualified(f"{AUTOMATION}.workflow_dead_letters")
TASKS: Final = qualified(f"{AUTOMATION}.tasks")
APPROVALS: Final = qualified(f"{AUTOMATION}.approvals")
AI_CALLS: Final = qualified(f"{AUTOMATION}.ai_calls")
CRM_CONTACTS: Final = qualified(f"{INTEGRATIONS}.ghl_contacts")
CRM_OPPORTUNITIES: Final = qualified(f"{INTEGRATIONS}.ghl_opportunities")
CRM_LOG: Final = qualified(f"{INTEGRATIONS}.ghl_sync_log")
CRM_MAPPING: Final = qualified(f"{INTEGRATIONS}.ghl_pipeline_mapping")
OAUTH_TOKENS: Final = qualified(f"{INTEGRATIONS}.oauth_tokens")
DEALS: Final = qualified(f"{INTEGRATIONS}.deals")
DEAL_LINKS: Final = qualified(f"{INTEGRATIONS}.deal_links")
DEAL_QUEUE: Final = qualified(f"{INTEGRATIONS}.deal_queue")
DEAL_MATCHES: Final = qualified(f"{INTEGRATIONS}.deal_matches")
DEAL_CONFLICTS: Final = qualified(f"{INTEGRATIONS}.deal_conflicts")
DEAL_ACTIONS: Final = qualified(f"{INTEGRATIONS}.deal_actions")
DEAL_MOVES: Final = qualified(f"{INTEGRATIONS}.deal_moves")

EVENT_CHANNEL: Final = "perfectcatch_events"  # one note a transaction, sent when it commits
PROGRESS_CHANNEL: Final = "perfectcatch_progress"
WEBHOOK_CHANNEL: Final = "perfectcatch_webhooks"
WRITE_CHANNEL: Final = "perfectcatch_writes"  # something was changed at the vendor, or may have been
WORKFLOW_CHANNEL: Final = (
    "perfectcatch_workflows"  # a definition changed, or a timer is due before the others
)
MESSAGE_CHANNEL: Final = "perfectcatch_messages"  # a message was released, or a person was heard
CRM_CHANNEL: Final = "perfectcatch_crm"  # a customer's deals wait to be looked at
