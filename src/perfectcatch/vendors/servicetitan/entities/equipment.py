"""Equipment at customers' places."""

from perfectcatch.model.entity import Entity, big, day, export, integer, json, money, text
from perfectcatch.model.event import appears, becomes, clock

INSTALLED_EQUIPMENT = Entity(
    name="installed_equipment",
    table="servicetitan.st_installed_equipment",
    does="Machines that stand at customers' places, with their warranties.",
    groups=("core",),
    feeds=export("equipmentsystems.installed_equipment.export"),
    reads_one="equipmentsystems.installed_equipment.get",
    columns=(
        big("customer_id", ref="customers"),
        big("location_id", ref="locations"),
        big("equipment_id", ref="pricebook_equipment", does="The price-book entry that it was sold as"),
        # No ``ref``: an invoice item is no record of its own.
        big("invoice_item_id", index=True),
        text("name"),
        big("type_id", "type.id"),
        text("equipment_type", "type.name"),
        text("manufacturer"),
        text("model"),
        text("serial_number", index=True),
        text("barcode_id"),
        text("memo"),
        text("status", does="Installed or Replaced"),
        money("cost"),
        day("installed_on"),
        day("manufactured_on"),
        day("manufacturer_warranty_start"),
        day("manufacturer_warranty_end", index=True),
        day("service_provider_warranty_start"),
        day("service_provider_warranty_end", index=True),
        integer("predicted_replacement_months"),
        day("predicted_replacement_date", index=True),
        day("actual_replacement_date"),
        json("tags"),
    ),
    also="attachments customFields",  # told by the single read only
    events=(
        appears("equipment_installed", "A machine was entered at a customer's place."),
        becomes("equipment_replaced", "A machine was replaced by another.", "status", "Replaced"),
        clock(
            "equipment_warranty_expiring",
            "The manufacturer's warranty ends in 30 days.",
            "manufacturer_warranty_end",
            -30,
        ),
    ),
)
