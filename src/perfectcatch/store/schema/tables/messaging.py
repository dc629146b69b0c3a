"""Messages to people: what was decided about each, and what the decisions go by."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from perfectcatch.store.names import AUTOMATION
from perfectcatch.store.schema.tables.base import MOMENT, count, identity, metadata, now, tenant

_SENT: Final = text("sent_at IS NOT NULL")


def _flag(name: str, default: str = "false") -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text(default))


def _ids(name: str) -> Column[list[int]]:
    return Column(name, ARRAY(BigInteger), nullable=False, server_default=text("'{}'::bigint[]"))


messaging_log: Final = Table(
    "messaging_log",
    metadata,
    tenant(),
    identity(),
    Column("intent_key", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("customer_id", BigInteger),
    Column("location_id", BigInteger),
    Column("recipient", Text, nullable=False),
    Column("address", Text),
    Column("subject", Text),
    Column("body", Text, nullable=False),
    Column("html", Text),
    Column("fingerprint", Text, nullable=False),
    Column("template", Text),
    Column("workflow", Text),
    Column("instance_id", BigInteger),
    Column("step", Text),
    Column("asked_by", Text, nullable=False),
    _flag("shadow"),
    _flag("held"),
    Column("released_by", Text),
    Column("attempt", Uuid),
    count("attempts"),
    Column("vendor_id", Text),
    Column("vendor_code", Text),
    Column("segments", Integer),
    Column("cost", Numeric(12, 5)),
    Column("data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("until", MOMENT),
    Column("asked_at", MOMENT, nullable=False),
    Column("decided_at", MOMENT, nullable=False),
    Column("sent_at", MOMENT),
    Column("updated_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "intent_key"),
    Index("messaging_log_address_idx", "tenant_id", "address", "sent_at", postgresql_where=_SENT),
    Index("messaging_log_customer_idx", "tenant_id", "customer_id", "id"),
    Index("messaging_log_workflow_idx", "tenant_id", "workflow", "sent_at", postgresql_where=_SENT),
    Index("messaging_log_vendor_idx", "tenant_id", "vendor_id"),
    Index("messaging_log_instance_idx", "tenant_id", "instance_id"),
    Index(
        "messaging_log_open_idx",
        "tenant_id",
        "status",
        "until",
        postgresql_where=text("status IN ('deferred', 'unknown')"),
    ),
    schema=AUTOMATION,
    comment="Every message meant for a person, once for ever, what was decided about it, and why",
)

messaging_consents: Final = Table(
    "messaging_consents",
    metadata,
    tenant(),
    identity(),
    Column("customer_id", BigInteger),
    Column("channel", Text, nullable=False),
    Column("address", Text),
    Column("purpose", Text, nullable=False),
    Column("given", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("wording", Text, nullable=False),
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("given_at", MOMENT, nullable=False),
    Column("recorded_by", Text, nullable=False),
    now("recorded_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("messaging_consents_customer_idx", "tenant_id", "customer_id", "channel", "purpose"),
    Index("messaging_consents_address_idx", "tenant_id", "address", "channel", "purpose"),
    schema=AUTOMATION,
    comment="Who agreed to which messages, when, in which words; the last word counts, all are kept",
)

messaging_opt_outs: Final = Table(
    "messaging_opt_outs",
    metadata,
    tenant(),
    identity(),
    Column("channel", Text, nullable=False),
    Column("address", Text),
    _ids("customer_ids"),
    Column("covers", Text),
    Column("source", Text, nullable=False),
    Column("wording", Text, nullable=False),
    Column("received_id", BigInteger),
    Column("message_id", BigInteger),
    Column("since", MOMENT, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("ended_at", MOMENT),
    Column("ended_by", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(
        "messaging_opt_outs_address_idx", "tenant_id", "address", postgresql_where=text("ended_at IS NULL")
    ),
    Index(
        "messaging_opt_outs_customers_idx",
        "customer_ids",
        postgresql_using="gin",
        postgresql_where=text("ended_at IS NULL"),
    ),
    schema=AUTOMATION,
    comment="Who wants no messages; covers: everything, channel, purpose, or null for what the rules say",
)

messaging_addresses: Final = Table(
    "messaging_addresses",
    metadata,
    tenant(),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("code", Text),
    Column("since", MOMENT, nullable=False),
    PrimaryKeyConstraint("tenant_id", "channel", "address"),
    schema=AUTOMATION,
    comment="Addresses that take no messages: landline, invalid, unreachable, bounced, complained",
)

messaging_holds: Final = Table(
    "messaging_holds",
    metadata,
    tenant(),
    identity(),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("decided_at", MOMENT),
    Column("decided_by", Text),
    Column("decision", Text),
    Column("allowed", BigInteger),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(
        "messaging_holds_open_idx",
        "tenant_id",
        "kind",
        "name",
        unique=True,
        postgresql_where=text("decided_at IS NULL"),
    ),
    schema=AUTOMATION,
    comment="Workflows and channels that are stopped until a person decides",
)

messaging_received: Final = Table(
    "messaging_received",
    metadata,
    tenant(),
    identity(),
    Column("channel", Text, nullable=False),
    Column("vendor_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("body", Text, nullable=False),
    _ids("customer_ids"),
    Column("meaning", Text, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    now("stored_at"),
    _flag("needs_person"),
    Column("answer_key", Text),
    Column("decided_at", MOMENT),
    Column("decided_by", Text),
    Column("decision", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "channel", "vendor_id"),
    Index("messaging_received_sender_idx", "tenant_id", "sender", "id"),
    Index("messaging_received_stored_idx", "tenant_id", "stored_at"),
    Index(
        "messaging_received_open_idx",
        "tenant_id",
        "id",
        postgresql_where=text("needs_person AND decided_at IS NULL"),
    ),
    schema=AUTOMATION,
    comment="Messages from people: opt_out, doubtful, start, help or reply, and what a person decided",
)

messaging_templates: Final = Table(
    "messaging_templates",
    metadata,
    tenant(),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False, autoincrement=False),
    Column("does", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("subject", Text),
    Column("body", Text, nullable=False),
    Column("html", Text),
    Column("fallbacks", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _flag("active", "true"),
    Column("written_by", Text, nullable=False),
    now("written_at"),
    PrimaryKeyConstraint("tenant_id", "name", "version"),
    schema=AUTOMATION,
    comment="Templates of messages; the highest version counts, the older ones stay",
)

messaging_rules: Final = Table(
    "messaging_rules",
    metadata,
    tenant(),
    Column("name", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    Column("changed_by", Text, nullable=False),
    now("updated_at"),
    PrimaryKeyConstraint("tenant_id", "name"),
    schema=AUTOMATION,
    comment="Rules of messages that are not as by default",
)
