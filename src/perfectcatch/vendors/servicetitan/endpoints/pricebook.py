"""Services, materials, equipment, categories and prices. Images answer with a redirect to the file."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    EXTERNAL_DATA,
    IDS,
    LISTED,
    PAGING,
    REFERENCE,
    Module,
)

row = Module("pricebook", root="/pricebook/v2/tenant/{tenant}/", scopes="tn.pb.", schemas="Pricebook.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Categories
    row.page("categories.list", "categories", "List categories",
        "categories", ".CategoryResponse", LISTED, ACTIVE, "categoryType=Services|Materials",
        fresh_seconds=REFERENCE),
    row.command("categories.create", "POST categories", "Create a category",
        "categories", ".CategoryCreateRequest", ".CategoryResponse"),
    row.item("categories.get", "categories/{id}", "Get one category", "categories", ".CategoryResponse"),
    row.command("categories.update", "PATCH categories/{id}", "Update a category",
        "categories", ".CategoryUpdateRequest", ".CategoryResponse"),
    row.command("categories.delete", "DELETE categories/{id}", "Delete a category", "categories"),
    row.export("categories.export", "export/categories", "Export categories",
        "categories", ".ExportCategoryResponse"),
    # Client-specific pricing
    row.page("clientspecificpricing.list", "clientspecificpricing",
        "List rate sheets of client-specific pricing", "csp", "Estimates.V2.ClientSpecificPricingResponse",
        PAGING, IDS, ACTIVE, "searchTerm"),
    row.command("clientspecificpricing.update", "PATCH clientspecificpricing/{rateSheetId}",
        "Update a rate sheet of client-specific pricing", "csp",
        "Estimates.V2.UpdateClientSpecificPricingRequest",
        "Estimates.V2.UpdateClientSpecificPricingResponse"),
    # Discounts and fees
    row.page("discounts_and_fees.list", "discounts-and-fees", "List discounts and fees",
        "discountsandfees", ".DiscountAndFeesResponse", LISTED, IDS, ACTIVE, EXTERNAL_DATA, "searchText"),
    row.command("discounts_and_fees.create", "POST discounts-and-fees", "Create a discount or fee",
        "discountsandfees", ".DiscountAndFeesCreateRequest", ".DiscountAndFeesResponse"),
    row.item("discounts_and_fees.get", "discounts-and-fees/{id}", "Get one discount or fee",
        "discountsandfees", ".DiscountAndFeesResponse", "externalDataApplicationGuid"),
    row.command("discounts_and_fees.update", "PATCH discounts-and-fees/{id}", "Update a discount or fee",
        "discountsandfees", ".DiscountAndFeesUpdateRequest", ".DiscountAndFeesResponse"),
    row.command("discounts_and_fees.delete", "DELETE discounts-and-fees/{id}", "Delete a discount or fee",
        "discountsandfees"),
    # Equipment
    row.page("equipment.list", "equipment", "List equipment",
        "equipment", ".EquipmentResponse", LISTED, IDS, ACTIVE, EXTERNAL_DATA, "searchText"),
    row.command("equipment.create", "POST equipment", "Create a piece of equipment",
        "equipment", ".EquipmentCreateRequest", ".EquipmentResponse"),
    row.item("equipment.get", "equipment/{id}", "Get one piece of equipment",
        "equipment", ".EquipmentResponse", "externalDataApplicationGuid"),
    row.command("equipment.update", "PATCH equipment/{id}", "Update a piece of equipment",
        "equipment", ".EquipmentUpdateRequest", ".EquipmentResponse"),
    row.command("equipment.delete", "DELETE equipment/{id}", "Delete a piece of equipment", "equipment"),
    row.export("equipment.export", "export/equipment", "Export equipment",
        "equipment", ".ExportEquipmentResponse"),
    # Images
    row.command("images.create", "POST images", "Upload a pricebook image",
        "images", "binary", ".ImageUploadResponse"),
    row.file("images.get", "images", "Download a pricebook image", "images", None, "path"),
    # Many items at once
    row.command("pricebook.create", "POST pricebook", "Create many pricebook items",
        "pricebook", ".PricebookBulkCreateRequest", ".PricebookBulkCreateResponse"),
    row.command("pricebook.update", "PATCH pricebook", "Update many pricebook items",
        "pricebook", ".PricebookBulkUpdateRequest"),
    # Markup of materials
    row.page("materialsmarkup.list", "materialsmarkup", "List the markup steps of materials",
        "materials", ".MaterialsMarkupResponse", "page:integer pageSize:integer",
        answer="CollectionResult_Of_Pricebook.V2.MaterialsMarkupResponse"),
    row.command("materialsmarkup.create", "POST materialsmarkup", "Create a markup step of materials",
        "materials", ".MaterialsMarkupRequest", "Result_Of_Pricebook.V2.MaterialsMarkupResponse"),
    row.item("materialsmarkup.get", "materialsmarkup/{id}", "Get one markup step of materials",
        "materials", "Result_Of_Pricebook.V2.MaterialsMarkupResponse"),
    row.command("materialsmarkup.replace", "PUT materialsmarkup/{id}", "Replace a markup step of materials",
        "materials", ".MaterialsMarkupRequest", "Result_Of_Pricebook.V2.MaterialsMarkupResponse"),
    # Materials
    row.page("materials.list", "materials", "List materials",
        "materials", ".MaterialResponse", LISTED, IDS, ACTIVE, EXTERNAL_DATA,
        "isOtherDirectCost:boolean costTypeIds searchText"),
    row.command("materials.create", "POST materials", "Create a material",
        "materials", ".MaterialCreateRequest", ".MaterialResponse"),
    row.item("materials.get", "materials/{id}", "Get one material",
        "materials", ".MaterialResponse", "externalDataApplicationGuid"),
    row.command("materials.update", "PATCH materials/{id}", "Update a material",
        "materials", ".MaterialUpdateRequest", ".MaterialResponse"),
    row.command("materials.delete", "DELETE materials/{id}", "Delete a material", "materials"),
    row.export("materials.export", "export/materials", "Export materials",
        "materials", ".ExportMaterialResponse"),
    row.whole("materials_costtypes.list", "materials/costtypes", "List the cost types of materials",
        "materials", ".CostTypeResponse", answer="PaginatedResponse_Of_Pricebook.V2.CostTypeResponse",
        fresh_seconds=REFERENCE),
    # Services
    row.page("services.list", "services", "List services",
        "services", ".ServiceGetResponse", LISTED, IDS, ACTIVE, EXTERNAL_DATA,
        "calculatePrices:boolean searchText"),
    row.command("services.create", "POST services", "Create a service",
        "services", ".ServiceCreateRequest", ".ServiceResponse"),
    row.item("services.get", "services/{id}", "Get one service",
        "services", ".ServiceGetResponse", "calculatePrices:boolean externalDataApplicationGuid"),
    row.command("services.update", "PATCH services/{id}", "Update a service",
        "services", ".ServiceUpdateRequest", ".ServiceResponse"),
    row.command("services.delete", "DELETE services/{id}", "Delete a service", "services"),
    row.export("services.export", "export/services", "Export services", "services", ".ExportServiceResponse"),
)
# fmt: on
