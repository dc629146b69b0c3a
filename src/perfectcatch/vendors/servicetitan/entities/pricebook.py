"""The price book: categories, services, materials and equipment for sale."""

from perfectcatch.model.entity import (
    Computed,
    Convert,
    Entity,
    Type,
    big,
    export,
    flag,
    ids,
    integer,
    json,
    money,
    number,
    text,
    texts,
)
from perfectcatch.model.event import changes

SELLING = (
    text("code", index=True),
    text("display_name"),
    text("description"),
    money("price"),
    money("member_price"),
    money("add_on_price"),
    money("add_on_member_price"),
    money("cost"),
    number("hours"),
    money("bonus"),
    number("commission_bonus"),
    flag("pays_commission"),
    flag("taxable"),
    text("account"),
    text("source"),
    text("external_id", index=True),
    json("external_data"),
    text("default_asset_url"),
    json("assets"),
    text("budget_cost_code"),
    text("budget_cost_type"),
    flag("is_price_locked"),
)

# Longer texts are searched by their beginning: a search column must never refuse a record.
WORDS = Computed(
    name="words",
    type=Type.WORDS,
    expression=(
        "setweight(to_tsvector('english'::regconfig, "
        "left(coalesce(code, '') || ' ' || coalesce(display_name, ''), 2000)), 'A') || "
        "setweight(to_tsvector('english'::regconfig, left(regexp_replace(coalesce(description, ''), "
        "'<[^>]*>', ' ', 'g'), 20000)), 'B')"
    ),
    does="For search: the words of code, name and description",
    index=True,
)

BUYING = (
    text("cost_of_sale_account"),
    text("asset_account"),
    text("unit_of_measure"),
    flag("is_inventory"),
    flag("is_cost_locked"),
    flag("display_in_amount"),
    big("general_ledger_account_id"),
    big("primary_vendor_id", "primaryVendor.vendorId"),
    text("primary_vendor_name", "primaryVendor.vendorName"),
    text("primary_vendor_part", "primaryVendor.vendorPart"),
    money("primary_vendor_cost", "primaryVendor.cost"),
    json("other_vendors"),
)

CATEGORIES = Entity(
    name="pricebook_categories",
    table="pricebook.pricebook_categories",
    does="The tree that the price book is ordered by.",
    groups=("pricebook",),
    feeds=export("pricebook.categories.export"),
    reads_one="pricebook.categories.get",
    columns=(
        text("name"),
        text("description"),
        big("parent_id", ref="pricebook_categories"),
        integer("position"),
        text("category_type", does="Services or Materials"),
        flag("hide_in_mobile"),
        text("image"),
        texts("sku_images"),
        texts("sku_videos"),
        ids("business_unit_ids"),
        text("source"),
        text("external_id", index=True),
    ),
    also="subcategories",
)

SERVICES = Entity(
    name="pricebook_services",
    table="pricebook.pricebook_services",
    does="Services for sale.",
    groups=("pricebook",),
    feeds=export("pricebook.services.export"),
    reads_one="pricebook.services.get",
    columns=(
        *SELLING,
        WORDS,
        big("business_unit_id", ref="business_units"),
        # Services name their categories as objects, materials and equipment as bare ids.
        ids("category_ids", "categories", convert=Convert.IDS_OF, index=True),
        integer("warranty_duration", "warranty.duration"),
        text("warranty_description", "warranty.description"),
        flag("is_labor"),
        number("sold_by_commission"),
        text("cross_sale_group"),
        ids("upgrades"),
        ids("recommendations"),
        json("service_materials"),
        json("service_equipment"),
    ),
    # The export feed leaves these two out.
    also="calculatedPrice useStaticPrices",
    events=(changes("service_price_changed", "A service has another price.", "price", "member_price"),),
)

MATERIALS = Entity(
    name="pricebook_materials",
    table="pricebook.pricebook_materials",
    does="Materials for sale and for use.",
    groups=("pricebook",),
    feeds=export("pricebook.materials.export"),
    reads_one="pricebook.materials.get",
    columns=(
        *SELLING,
        WORDS,
        *BUYING,
        big("business_unit_id", ref="business_units"),
        ids("category_ids", "categories", index=True),
        flag("deduct_as_job_cost"),
        flag("chargeable_by_default"),
        flag("is_other_direct_cost"),
        big("cost_type_id"),
        flag("is_configurable_material"),
        ids("variation_ids", "variationsOrConfigurableMaterials"),
        flag("is_chemical"),
        text("epa_number"),
        text("active_ingredients"),
        big("created_by_id", does="The user that created it"),
    ),
    events=(changes("material_price_changed", "A material has another price or cost.", "price", "cost"),),
)

EQUIPMENT = Entity(
    name="pricebook_equipment",
    table="pricebook.pricebook_equipment",
    does="Equipment for sale.",
    groups=("pricebook",),
    feeds=export("pricebook.equipment.export"),
    reads_one="pricebook.equipment.get",
    columns=(
        *SELLING,
        WORDS,
        *BUYING,
        ids("category_ids", "categories", index=True),
        big("type_id"),
        text("manufacturer"),
        text("model", index=True),
        integer("manufacturer_warranty_duration", "manufacturerWarranty.duration"),
        text("manufacturer_warranty_description", "manufacturerWarranty.description"),
        integer("service_provider_warranty_duration", "serviceProviderWarranty.duration"),
        text("service_provider_warranty_description", "serviceProviderWarranty.description"),
        number("height", "dimensions.height"),
        number("width", "dimensions.width"),
        number("depth", "dimensions.depth"),
        text("cross_sale_group"),
        flag("is_configurable_equipment"),
        ids("variation_ids", "variationsOrConfigurableEquipment"),
        ids("upgrades"),
        json("recommendations"),
        json("equipment_materials"),
    ),
    events=(
        changes("equipment_price_changed", "Equipment for sale has another price or cost.", "price", "cost"),
    ),
)
