"""The price book in the vendor's shape, and the parts that billed and quoted lines copy from it."""

from collections import defaultdict
from functools import cached_property
from typing import Any

from perfectcatch.sandbox.servicetitan.company import ids, skus, trades
from perfectcatch.sandbox.servicetitan.company.moments import chance
from perfectcatch.sandbox.servicetitan.company.office import Office, Record

_TAXABLE = ("Material", "Equipment")
_SERVICES, _MATERIALS = "Services", "Materials"
# trade, division: a category of the price book for each
_SHELVES = (
    ("Pool Service and Repair", _SERVICES, trades.POOL, trades.SERVICE),
    ("Pool Installation", _SERVICES, trades.POOL, trades.INSTALL),
    ("HVAC Service", _SERVICES, trades.HVAC, trades.SERVICE),
    ("HVAC Installation", _SERVICES, trades.HVAC, trades.INSTALL),
    ("Plumbing Service", _SERVICES, trades.PLUMBING, trades.SERVICE),
    ("Plumbing Installation", _SERVICES, trades.PLUMBING, trades.INSTALL),
    ("Memberships", _SERVICES, "", "Plan"),
    ("Pool Parts and Chemicals", _MATERIALS, trades.POOL, ""),
    ("HVAC Parts", _MATERIALS, trades.HVAC, ""),
    ("Plumbing Parts", _MATERIALS, trades.PLUMBING, ""),
)
# number, name, type, subtype, what it is the default for
ACCOUNTS = (
    ("4000", "Service Revenue", "Income", "Income", "Revenue"),
    ("4500", "Equipment Revenue", "Income", "Income", None),
    ("4600", "Material Revenue", "Income", "Income", None),
    ("4700", "Membership Revenue", "Income", "Income", "MembershipRevenue"),
    ("4900", "Discounts Given", "Income", "Income", None),
    ("5000", "Cost of Labor", "Cost of Goods Sold", "Cost of Goods Sold", "CostOfGoodsSoldLabor"),
    ("5100", "Cost of Materials", "Cost of Goods Sold", "Cost of Goods Sold", "CostOfGoodsSoldMaterials"),
    ("5200", "Cost of Equipment", "Cost of Goods Sold", "Cost of Goods Sold", "CostOfGoodsSoldEquipment"),
    ("1200", "Undeposited Funds", "Current Asset", "Undeposited Funds", "UndepositedFunds"),
    ("1300", "Inventory Asset", "Current Asset", "Inventory", "Inventory"),
    ("1100", "Accounts Receivable", "Current Asset", "Accounts Receivable", "AccountsReceivable"),
)
_REVENUE = {"Service": 0, "Equipment": 1, "Material": 2, "Plan": 3, "PriceModifier": 4}
_COST = {"Service": 5, "Equipment": 7, "Material": 6, "Plan": 5, "PriceModifier": 5}
_ASSET = 9
_NOT_OF_MODIFIERS = frozenset(
    {
        *("price", "memberPrice", "addOnPrice", "addOnMemberPrice", "cost"),
        *("source", "externalId", "defaultAssetUrl", "isPriceLocked"),
    }
)
_VENDORS = ("Sun State Pool Supply", "Gulf HVAC Distributors", "Bay Plumbing Wholesale")
VENDOR_OF = {trades.POOL: 0, trades.HVAC: 1, trades.PLUMBING: 2}


def account(index: int) -> Record:
    """Return a ledger account as it is written inside lines."""
    number, name, kind, subtype, _ = ACCOUNTS[index]
    return {"id": ids.ACCOUNTS[index], "name": name, "number": number, "type": kind, "detailType": subtype}


def written(cents: int) -> str:
    """Write cents as the vendor writes money in invoices: ``"125.00"``."""
    if cents < 0:
        return f"-{written(-cents)}"
    return f"{cents // 100}.{cents % 100:02d}"


class Priced:
    """A line of the price book with its id, and what each billed line of it has in common."""

    __slots__ = ("account_name", "billed", "id", "quoted", "sku", "taxable")

    def __init__(self, index: int, sku: skus.Sku, modified: str) -> None:
        self.id = ids.SKUS[index]
        self.sku = sku
        self.taxable = sku.type in _TAXABLE
        ledger = "Plan" if sku.division == "Plan" else sku.type
        revenue = _REVENUE[ledger]
        self.account_name = ACCOUNTS[revenue][1]
        self.billed: Record = {
            "description": f"<p>{sku.text}</p>",
            "cost": written(sku.cost),
            "budgetCodeId": None,
            "inventoryLocationId": None,
            "inventoryLocation": None,
            "type": sku.type,
            "skuName": sku.code,
            "skuId": self.id,
            "inventory": sku.type == "Equipment",
            "taxable": self.taxable,
            "isChargeable": True,
            "generalLedgerAccount": account(revenue),
            "costOfSaleAccount": account(_COST[ledger]) if self.taxable else None,
            "assetAccount": account(_ASSET) if sku.type == "Equipment" else None,
            "displayName": sku.name,
            "displayInAmount": False,
            "importId": None,
            "exportId": None,
        }
        self.quoted: Record = {
            "id": self.id,
            "name": sku.code,
            "displayName": sku.name,
            "type": sku.type,
            "soldHours": sku.hours,
            "generalLedgerAccountId": ids.ACCOUNTS[revenue],
            "generalLedgerAccountName": self.account_name,
            "modifiedOn": modified,
        }


class Pricebook:
    """All lines of the price book, by what they are used for."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.lives = [office.life(changed=0.7) for _ in skus.SKUS]
        self.lines = [Priced(index, sku, self.lives[index][1]) for index, sku in enumerate(skus.SKUS)]
        self.labor: dict[tuple[str, str], list[Priced]] = defaultdict(list)
        self.parts: dict[str, list[Priced]] = defaultdict(list)
        self.units: dict[str, list[Priced]] = defaultdict(list)
        for line in self.lines:
            if line.sku.type == "Service":
                self.labor[line.sku.trade, line.sku.division].append(line)
            elif line.sku.type == "Material":
                self.parts[line.sku.trade].append(line)
            elif line.sku.type == "Equipment":
                self.units[line.sku.trade].append(line)

    @cached_property
    def by_code(self) -> dict[str, Priced]:
        """Lines by the company's own code."""
        return {line.sku.code: line for line in self.lines}

    def records(self) -> list[tuple[str, Record]]:
        """Return the vendor's price book and the ledger accounts and vendors that it names."""
        rows = [("pricebook.categories", self._category(index)) for index in range(len(_SHELVES))]
        writers = {"Service": self._service, "Material": self._material, "Equipment": self._equipment}
        names = {"Service": "services", "Material": "materials", "Equipment": "equipment"}
        for line, life in zip(self.lines, self.lives, strict=True):
            write = writers.get(line.sku.type)
            if write is None:
                rows.append(("pricebook.discounts_and_fees", self._modifier(line, life)))
            else:
                rows.append((f"pricebook.{names[line.sku.type]}", write(line, life)))
        rows += [("accounting.gl_accounts", self._account(index)) for index in range(len(ACCOUNTS))]
        rows += [("inventory.vendors", self._vendor(index)) for index in range(len(_VENDORS))]
        rows += [("equipmentsystems.equipment_types", self._type(index)) for index in range(len(VENDOR_OF))]
        return rows

    def _shelf(self, sku: skus.Sku) -> int:
        for index, (_, _, trade, division) in enumerate(_SHELVES):
            if (trade or sku.trade, division) == (sku.trade, sku.division):
                return index
        return 7 + VENDOR_OF[sku.trade]

    def _category(self, index: int) -> Record:
        created, modified = self.office.life()
        name, kind, trade, division = _SHELVES[index]
        units = [
            ids.UNITS[number]
            for number, unit in enumerate(trades.UNITS)
            if unit.active and unit.trade == trade and division in {"", unit.division}
        ]
        return {
            "id": ids.CATEGORIES[index],
            "name": name,
            "active": True,
            "description": f"{name} for all business units of the trade",
            "image": None,
            "parentId": None,
            "position": index,
            "categoryType": kind,
            "subcategories": [],
            "businessUnitIds": units,
            "skuImages": [],
            "skuVideos": [],
            "source": None,
            "externalId": None,
            "hideInMobile": False,
            "createdOn": created,
            "modifiedOn": modified,
        }

    def _common(self, line: Priced, life: tuple[str, str]) -> Record:
        sku = line.sku
        price = sku.price / 100
        return {
            "id": line.id,
            "code": sku.code,
            "displayName": sku.name,
            "description": f"<p>{sku.text}</p>",
            "active": not chance(self.office.random, 0.03),
            "price": price,
            "memberPrice": round(price * 0.9, 2),
            "addOnPrice": round(price * 0.95, 2),
            "addOnMemberPrice": round(price * 0.85, 2),
            "hours": sku.hours,
            "bonus": 0.0,
            "commissionBonus": 0.0,
            "paysCommission": sku.type != "Material",
            "account": line.account_name,
            "taxable": line.taxable,
            "cost": sku.cost / 100,
            "assets": [],
            "source": None,
            "externalId": None,
            "externalData": [],
            "defaultAssetUrl": None,
            "budgetCostCode": None,
            "budgetCostType": None,
            "isPriceLocked": False,
            "createdOn": life[0],
            "modifiedOn": life[1],
        }

    def _service(self, line: Priced, life: tuple[str, str]) -> Record:
        random, shelf = self.office.random, self._shelf(line.sku)
        parts = self.parts[line.sku.trade]
        others = self.labor[line.sku.trade, line.sku.division]
        return self._common(line, life) | {
            "warranty": {"duration": 12, "description": "One year on labor"},
            "categories": [{"id": ids.CATEGORIES[shelf], "name": _SHELVES[shelf][0], "active": True}],
            "isLabor": True,
            "recommendations": [random.choice(others).id],
            "upgrades": [],
            "serviceMaterials": [
                {"skuId": random.choice(parts).id, "quantity": float(random.randrange(1, 4))}
            ],
            "serviceEquipment": [],
            "crossSaleGroup": None,
            "businessUnitId": None,
            "soldByCommission": 0.0,
        }

    def _supplied(self, line: Priced) -> Record:
        vendor = VENDOR_OF[line.sku.trade]
        sub_account = {"id": line.id + 2, "cost": line.sku.cost / 100, "accountName": ACCOUNTS[6][1]}
        return {
            "primaryVendor": {
                "id": line.id + 1,
                "vendorName": _VENDORS[vendor],
                "vendorId": ids.VENDORS[vendor],
                "memo": None,
                "vendorPart": f"{line.sku.code}-V",
                "cost": line.sku.cost / 100,
                "active": True,
                "primarySubAccount": sub_account,
                "otherSubAccounts": [],
            },
            "otherVendors": [],
            "costOfSaleAccount": ACCOUNTS[_COST[line.sku.type]][1],
            "assetAccount": ACCOUNTS[_ASSET][1],
            "unitOfMeasure": "Each",
            "isInventory": line.sku.type == "Equipment",
            "categories": [ids.CATEGORIES[self._shelf(line.sku)]],
            "displayInAmount": False,
            "generalLedgerAccountId": ids.ACCOUNTS[_REVENUE[line.sku.type]],
            "isCostLocked": False,
        }

    def _material(self, line: Priced, life: tuple[str, str]) -> Record:
        chemical = line.sku.code in {"PM-010", "PM-020"}
        return self._common(line, life) | self._supplied(line) | {
            "deductAsJobCost": False,
            "isConfigurableMaterial": False,
            "chargeableByDefault": True,
            "variationsOrConfigurableMaterials": [],
            "businessUnitId": None,
            "createdById": self.office.manager.id,
            "isOtherDirectCost": False,
            "costTypeId": None,
            "isChemical": chemical,
            "epaNumber": None,
            "activeIngredients": "Sodium hypochlorite" if line.sku.code == "PM-010" else None,
        }  # fmt: skip

    def _equipment(self, line: Priced, life: tuple[str, str]) -> Record:
        random, sku = self.office.random, line.sku
        labor = random.choice(self.labor[sku.trade, trades.INSTALL])
        return self._common(line, life) | self._supplied(line) | {
            "manufacturer": sku.maker,
            "model": sku.model,
            "manufacturerWarranty": {"duration": random.choice((12, 36, 60, 120)), "description": "Parts"},
            "serviceProviderWarranty": {"duration": 12, "description": "Labor"},
            "recommendations": [{"skuId": labor.id, "type": "Service"}],
            "upgrades": [random.choice(self.units[sku.trade]).id],
            "equipmentMaterials": [{"skuId": random.choice(self.parts[sku.trade]).id, "quantity": 1.0}],
            "crossSaleGroup": None,
            "isConfigurableEquipment": False,
            "variationsOrConfigurableEquipment": [],
            "typeId": ids.EQUIPMENT_TYPES[VENDOR_OF[sku.trade]],
            "dimensions": None,
        }  # fmt: skip

    def _modifier(self, line: Priced, life: tuple[str, str]) -> Record:
        common = self._common(line, life)
        return {name: value for name, value in common.items() if name not in _NOT_OF_MODIFIERS} | {
            "type": "Discount" if line.sku.price < 0 else "Fee",
            "amountType": "Fixed",
            "amount": abs(line.sku.price) / 100,
            "limit": 0.0,
            "categories": [],
            "crossSaleGroup": None,
            "excludeFromPayroll": True,
        }

    def _account(self, index: int) -> Record:
        number, name, kind, subtype, default = ACCOUNTS[index]
        created, modified = self.office.life()
        return {
            "id": ids.ACCOUNTS[index],
            "name": name,
            "number": number,
            "description": None,
            "type": kind,
            "subtype": subtype,
            "active": True,
            "isIntacctGroup": False,
            "isIntacctBankAccount": False,
            "source": "AccountingSystem",
            "defaultAccountType": default,
            "createdOn": created,
            "modifiedOn": modified,
        }

    def _vendor(self, index: int) -> Record:
        created, modified = self.office.life()
        contact: dict[str, Any] = {
            "firstName": "Order",
            "lastName": "Desk",
            "phone": f"(727) 555-01{70 + index}",
            "email": f"orders{index}@example.net",
            "fax": "",
        }
        return {
            "id": ids.VENDORS[index],
            "name": _VENDORS[index],
            "active": True,
            "isTruckReplenishment": True,
            "isMobileCreationRestricted": False,
            "memo": "",
            "deliveryOption": "Pickup",
            "defaultTaxRate": 0.0,
            "contactInfo": contact,
            "address": {
                "street": f"{900 + 12 * index} Commerce Loop",
                "unit": None,
                "city": "Tampa",
                "state": "FL",
                "zip": "33610",
                "country": "USA",
            },
            "createdOn": created,
            "modifiedOn": modified,
            "externalData": [],
            "customFields": [],
        }

    def _type(self, index: int) -> Record:
        created, modified = self.office.life()
        name = f"{tuple(VENDOR_OF)[index]} Equipment"
        return {
            "id": ids.EQUIPMENT_TYPES[index],
            "name": name,
            "active": True,
            "createdOn": created,
            "modifiedOn": modified,
        }
