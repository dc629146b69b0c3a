"""Campaigns."""

from perfectcatch.model.entity import Entity, big, changed, flag, text, texts

CAMPAIGNS = Entity(
    name="campaigns",
    table="servicetitan.st_campaigns",
    does="Advertising that calls, leads and jobs are put down to.",
    groups=("reference",),
    feeds=changed("marketing.campaigns.list", active="Any"),
    reads_one="marketing.campaigns.get",
    columns=(
        text("name"),
        big("category_id", "category.id"),
        text("category", "category.name"),
        text("source"),
        text("other_source"),
        text("medium"),
        text("other_medium"),
        text("business_unit", does="The business unit's name"),
        texts("campaign_phone_numbers"),
        flag("is_default_campaign"),
    ),
)
