"""The CRM: its contacts and opportunities, deals, what waits to be written, conflicts, moves."""

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
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from perfectcatch.store.names import INTEGRATIONS

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    _copies()
    _deals()
    _people()


def _copies() -> None:
    op.create_table(
        "ghl_contacts",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("ghl_id", Text, nullable=False),
        Column("ghl_location_id", Text),
        Column("st_customer_id", BigInteger),
        Column("first_name", Text),
        Column("last_name", Text),
        Column("name", Text),
        Column("email", Text),
        Column("phone", Text),
        Column("source", Text),
        Column("tags", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("synced_to_st", Boolean, server_default=text("false"), nullable=False),
        Column("full_data", JSONB, nullable=False),
        Column("ghl_added_at", MOMENT),
        Column("ghl_updated_at", MOMENT),
        Column("read_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("deleted_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "id", name="ghl_contacts_pkey"),
        UniqueConstraint("tenant_id", "ghl_id", name="ghl_contacts_tenant_id_ghl_id_key"),
        schema=INTEGRATIONS,
        comment="Contacts of the CRM as they were last read; synced_to_st: one of our customers",
    )
    op.create_index(
        "ghl_contacts_customer_idx",
        "ghl_contacts",
        ["tenant_id", "st_customer_id"],
        schema=INTEGRATIONS,
    )
    op.create_table(
        "ghl_opportunities",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("ghl_id", Text, nullable=False),
        Column("ghl_contact_id", Text, nullable=False),
        Column("ghl_pipeline_id", Text, nullable=False),
        Column("ghl_pipeline_stage_id", Text),
        Column("pipeline_name", Text),
        Column("stage_name", Text),
        Column("st_customer_id", BigInteger),
        Column("st_job_id", BigInteger),
        Column("st_estimate_id", BigInteger),
        Column("name", Text, nullable=False),
        Column("monetary_value", Numeric(18, 4)),
        Column("status", Text, nullable=False),
        Column("assigned_to", Text),
        Column("custom_fields", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("synced_to_st", Boolean, server_default=text("false"), nullable=False),
        Column("full_data", JSONB, nullable=False),
        Column("ghl_added_at", MOMENT),
        Column("ghl_updated_at", MOMENT),
        Column("read_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("deleted_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "id", name="ghl_opportunities_pkey"),
        UniqueConstraint("tenant_id", "ghl_id", name="ghl_opportunities_tenant_id_ghl_id_key"),
        schema=INTEGRATIONS,
        comment="Opportunities of the CRM as they were last read or written",
    )
    op.create_index(
        "ghl_opportunities_contact_idx",
        "ghl_opportunities",
        ["tenant_id", "ghl_contact_id"],
        schema=INTEGRATIONS,
    )
    op.create_index(
        "ghl_opportunities_customer_idx",
        "ghl_opportunities",
        ["tenant_id", "st_customer_id"],
        schema=INTEGRATIONS,
    )
    op.create_table(
        "ghl_sync_log",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("sync_type", Text, nullable=False),
        Column("direction", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("records_created", BigInteger, server_default=text("0"), nullable=False),
        Column("records_updated", BigInteger, server_default=text("0"), nullable=False),
        Column("records_unchanged", BigInteger, server_default=text("0"), nullable=False),
        Column("records_failed", BigInteger, server_default=text("0"), nullable=False),
        Column("cursor", Text),
        Column("started_at", MOMENT, nullable=False),
        Column("completed_at", MOMENT),
        Column("duration_ms", BigInteger),
        Column("error_message", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="ghl_sync_log_pkey"),
        schema=INTEGRATIONS,
        comment="Every run with the CRM, by direction: st_to_ghl or ghl_to_st",
    )
    op.create_table(
        "ghl_pipeline_mapping",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("pipeline", Text, nullable=False),
        Column("stage", Text, nullable=False),
        Column("ghl_pipeline_id", Text, nullable=False),
        Column("ghl_pipeline_name", Text, nullable=False),
        Column("ghl_stage_id", Text, nullable=False),
        Column("ghl_stage_name", Text, nullable=False),
        Column("seen_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "pipeline", "stage", name="ghl_pipeline_mapping_pkey"),
        schema=INTEGRATIONS,
        comment="Which stage of the CRM stands for which step of a deal, as it was found by name or id",
    )


def _deals() -> None:
    op.create_table(
        "deals",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("deal", Text, nullable=False),
        Column("st_customer_id", BigInteger, nullable=False),
        Column("st_job_id", BigInteger),
        Column("st_estimate_id", BigInteger),
        Column("ghl_opportunity_id", Text),
        Column("ghl_contact_id", Text),
        Column("written", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("conceded", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("pending", JSONB),
        Column("creating_at", MOMENT),
        Column("note", Text),
        Column("first_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "deal", name="deals_pkey"),
        schema=INTEGRATIONS,
        comment="Each deal with its one opportunity, what we last wrote there, and what we left to people",
    )
    op.create_index(
        "deals_customer_idx",
        "deals",
        ["tenant_id", "st_customer_id"],
        schema=INTEGRATIONS,
    )
    op.create_index(
        "deals_opportunity_idx",
        "deals",
        ["tenant_id", "ghl_opportunity_id"],
        schema=INTEGRATIONS,
        unique=True,
        postgresql_where=text("ghl_opportunity_id IS NOT NULL"),
    )
    op.create_table(
        "deal_links",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("st_customer_id", BigInteger, nullable=False),
        Column("ghl_contact_id", Text),
        Column("reason", Text),
        Column("written", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("tags", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("pending", JSONB),
        Column("creating_at", MOMENT),
        Column("since", MOMENT, server_default=text("now()"), nullable=False),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "st_customer_id", name="deal_links_pkey"),
        schema=INTEGRATIONS,
        comment="Which contact is which customer, and why we think so",
    )
    op.create_index(
        "deal_links_contact_idx",
        "deal_links",
        ["tenant_id", "ghl_contact_id"],
        schema=INTEGRATIONS,
    )
    op.create_table(
        "deal_queue",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("st_customer_id", BigInteger, nullable=False),
        Column("reasons", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("looks", Boolean, server_default=text("false"), nullable=False),
        Column("late", Boolean, server_default=text("false"), nullable=False),
        Column("version", BigInteger, server_default=text("1"), nullable=False),
        Column("event_id", BigInteger),
        Column("wanted_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("next_try_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("claimed_until", MOMENT),
        Column("attempts", Integer, server_default=text("0"), nullable=False),
        Column("error", Text),
        Column("cause", Text),
        Column("refused", Boolean, server_default=text("false"), nullable=False),
        Column("failing_since", MOMENT),
        Column("alarmed_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "st_customer_id", name="deal_queue_pkey"),
        schema=INTEGRATIONS,
        comment="Customers whose deals wait to be written, with the CRM's own words where it refused them",
    )
    op.create_index(
        "deal_queue_due_idx",
        "deal_queue",
        ["tenant_id", "next_try_at"],
        schema=INTEGRATIONS,
    )


def _people() -> None:
    op.create_table(
        "deal_matches",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("st_customer_id", BigInteger, nullable=False),
        Column("candidates", JSONB, nullable=False),
        Column("reason", Text, nullable=False),
        Column("sentence", Text, nullable=False),
        Column("found_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("resolved_at", MOMENT),
        Column("resolved_by", Text),
        Column("decision", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="deal_matches_pkey"),
        schema=INTEGRATIONS,
        comment="Customers who may be one of several contacts, until a person says which",
    )
    op.create_index(
        "deal_matches_open_idx",
        "deal_matches",
        ["tenant_id", "st_customer_id"],
        schema=INTEGRATIONS,
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    )
    op.create_table(
        "deal_conflicts",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("st_customer_id", BigInteger, nullable=False),
        Column("deal", Text, nullable=False),
        Column("ghl_opportunity_id", Text, nullable=False),
        Column("field", Text, nullable=False),
        Column("ours", Text),
        Column("theirs", Text),
        Column("kept", Text, nullable=False),
        Column("sentence", Text, nullable=False),
        Column("seen_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("resolved_at", MOMENT),
        Column("resolved_by", Text),
        Column("decision", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="deal_conflicts_pkey"),
        schema=INTEGRATIONS,
        comment="Where a person changed in the CRM what follows from our records, and what was kept",
    )
    op.create_index(
        "deal_conflicts_deal_idx",
        "deal_conflicts",
        ["tenant_id", "deal", "field"],
        schema=INTEGRATIONS,
    )
    op.create_table(
        "deal_moves",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("st_customer_id", BigInteger, nullable=False),
        Column("deal", Text, nullable=False),
        Column("ghl_opportunity_id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("pipeline", Text),
        Column("stage", Text),
        Column("status", Text),
        Column("value", Numeric(18, 4)),
        Column("changed", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("event_id", BigInteger),
        Column("at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name="deal_moves_pkey"),
        schema=INTEGRATIONS,
        comment="Every change that we made to an opportunity",
    )
    op.create_index(
        "deal_moves_customer_idx",
        "deal_moves",
        ["tenant_id", "st_customer_id", "at"],
        schema=INTEGRATIONS,
    )
    op.create_table(
        "deal_actions",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("key", Text, nullable=False),
        Column("result", Text),
        Column("begun_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("done_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "key", name="deal_actions_pkey"),
        schema=INTEGRATIONS,
        comment="What workflows asked of the CRM that must not be done twice",
    )
