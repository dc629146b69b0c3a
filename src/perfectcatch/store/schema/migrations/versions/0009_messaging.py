"""Messages to people, and what the decisions about them go by."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "messaging_log",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
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
        Column("shadow", Boolean, server_default=text("false"), nullable=False),
        Column("held", Boolean, server_default=text("false"), nullable=False),
        Column("released_by", Text),
        Column("attempt", Uuid),
        Column("attempts", BigInteger, server_default=text("0"), nullable=False),
        Column("vendor_id", Text),
        Column("vendor_code", Text),
        Column("segments", Integer),
        Column("cost", Numeric(12, 5)),
        Column("data", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("until", MOMENT),
        Column("asked_at", MOMENT, nullable=False),
        Column("decided_at", MOMENT, nullable=False),
        Column("sent_at", MOMENT),
        Column("updated_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name="messaging_log_pkey"),
        UniqueConstraint("tenant_id", "intent_key", name="messaging_log_tenant_id_intent_key_key"),
        schema=AUTOMATION,
        comment="Every message meant for a person, once for ever, what was decided about it, and why",
    )
    op.create_index(
        "messaging_log_address_idx",
        "messaging_log",
        ["tenant_id", "address", "sent_at"],
        schema=AUTOMATION,
        postgresql_where=text("sent_at IS NOT NULL"),
    )
    op.create_index(
        "messaging_log_customer_idx", "messaging_log", ["tenant_id", "customer_id", "id"], schema=AUTOMATION
    )
    op.create_index(
        "messaging_log_instance_idx", "messaging_log", ["tenant_id", "instance_id"], schema=AUTOMATION
    )
    op.create_index(
        "messaging_log_open_idx",
        "messaging_log",
        ["tenant_id", "status", "until"],
        schema=AUTOMATION,
        postgresql_where=text("status IN ('deferred', 'unknown')"),
    )
    op.create_index(
        "messaging_log_vendor_idx", "messaging_log", ["tenant_id", "vendor_id"], schema=AUTOMATION
    )
    op.create_index(
        "messaging_log_workflow_idx",
        "messaging_log",
        ["tenant_id", "workflow", "sent_at"],
        schema=AUTOMATION,
        postgresql_where=text("sent_at IS NOT NULL"),
    )
    op.create_table(
        "messaging_consents",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("customer_id", BigInteger),
        Column("channel", Text, nullable=False),
        Column("address", Text),
        Column("purpose", Text, nullable=False),
        Column("given", Boolean, nullable=False),
        Column("source", Text, nullable=False),
        Column("wording", Text, nullable=False),
        Column("evidence", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("given_at", MOMENT, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Column("recorded_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name="messaging_consents_pkey"),
        schema=AUTOMATION,
        comment="Who agreed to which messages, when, in which words; the last word counts, all are kept",
    )
    op.create_index(
        "messaging_consents_address_idx",
        "messaging_consents",
        ["tenant_id", "address", "channel", "purpose"],
        schema=AUTOMATION,
    )
    op.create_index(
        "messaging_consents_customer_idx",
        "messaging_consents",
        ["tenant_id", "customer_id", "channel", "purpose"],
        schema=AUTOMATION,
    )
    op.create_table(
        "messaging_opt_outs",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("channel", Text, nullable=False),
        Column("address", Text),
        Column("customer_ids", ARRAY(BigInteger), server_default=text("'{}'::bigint[]"), nullable=False),
        Column("covers", Text),
        Column("source", Text, nullable=False),
        Column("wording", Text, nullable=False),
        Column("received_id", BigInteger),
        Column("message_id", BigInteger),
        Column("since", MOMENT, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Column("ended_at", MOMENT),
        Column("ended_by", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="messaging_opt_outs_pkey"),
        schema=AUTOMATION,
        comment="Who wants no messages; covers: everything, channel, purpose, or null for what the rules say",
    )
    op.create_index(
        "messaging_opt_outs_address_idx",
        "messaging_opt_outs",
        ["tenant_id", "address"],
        schema=AUTOMATION,
        postgresql_where=text("ended_at IS NULL"),
    )
    op.create_index(
        "messaging_opt_outs_customers_idx",
        "messaging_opt_outs",
        ["customer_ids"],
        schema=AUTOMATION,
        postgresql_using="gin",
        postgresql_where=text("ended_at IS NULL"),
    )
    op.create_table(
        "messaging_addresses",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("channel", Text, nullable=False),
        Column("address", Text, nullable=False),
        Column("trouble", Text, nullable=False),
        Column("code", Text),
        Column("since", MOMENT, nullable=False),
        PrimaryKeyConstraint("tenant_id", "channel", "address", name="messaging_addresses_pkey"),
        schema=AUTOMATION,
        comment="Addresses that take no messages: landline, invalid, unreachable, bounced, complained",
    )
    op.create_table(
        "messaging_holds",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("sentence", Text, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("decided_at", MOMENT),
        Column("decided_by", Text),
        Column("decision", Text),
        Column("allowed", BigInteger),
        PrimaryKeyConstraint("tenant_id", "id", name="messaging_holds_pkey"),
        schema=AUTOMATION,
        comment="Workflows and channels that are stopped until a person decides",
    )
    op.create_index(
        "messaging_holds_open_idx",
        "messaging_holds",
        ["tenant_id", "kind", "name"],
        schema=AUTOMATION,
        unique=True,
        postgresql_where=text("decided_at IS NULL"),
    )
    op.create_table(
        "messaging_received",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("channel", Text, nullable=False),
        Column("vendor_id", Text, nullable=False),
        Column("sender", Text, nullable=False),
        Column("recipient", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("customer_ids", ARRAY(BigInteger), server_default=text("'{}'::bigint[]"), nullable=False),
        Column("meaning", Text, nullable=False),
        Column("received_at", MOMENT, nullable=False),
        Column("stored_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("needs_person", Boolean, server_default=text("false"), nullable=False),
        Column("answer_key", Text),
        Column("decided_at", MOMENT),
        Column("decided_by", Text),
        Column("decision", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="messaging_received_pkey"),
        UniqueConstraint(
            "tenant_id", "channel", "vendor_id", name="messaging_received_tenant_id_channel_vendor_id_key"
        ),
        schema=AUTOMATION,
        comment="Messages from people: opt_out, doubtful, start, help or reply, and what a person decided",
    )
    op.create_index(
        "messaging_received_open_idx",
        "messaging_received",
        ["tenant_id", "id"],
        schema=AUTOMATION,
        postgresql_where=text("needs_person AND decided_at IS NULL"),
    )
    op.create_index(
        "messaging_received_sender_idx",
        "messaging_received",
        ["tenant_id", "sender", "id"],
        schema=AUTOMATION,
    )
    op.create_table(
        "messaging_templates",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("name", Text, nullable=False),
        Column("version", Integer, autoincrement=False, nullable=False),
        Column("does", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("purpose", Text, nullable=False),
        Column("language", Text, nullable=False),
        Column("subject", Text),
        Column("body", Text, nullable=False),
        Column("html", Text),
        Column("fallbacks", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("active", Boolean, server_default=text("true"), nullable=False),
        Column("written_by", Text, nullable=False),
        Column("written_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "name", "version", name="messaging_templates_pkey"),
        schema=AUTOMATION,
        comment="Templates of messages; the highest version counts, the older ones stay",
    )
    op.create_table(
        "messaging_rules",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("name", Text, nullable=False),
        Column("value", JSONB, nullable=False),
        Column("changed_by", Text, nullable=False),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "name", name="messaging_rules_pkey"),
        schema=AUTOMATION,
        comment="Rules of messages that are not as by default",
    )
