"""The price book as rows: services, materials, equipment, discounts and fees of the three trades."""

from dataclasses import dataclass

from perfectcatch.sandbox.servicetitan.company.trades import HVAC, INSTALL, PLUMBING, POOL, SERVICE

# code, name, description, price, hours
_Service = tuple[str, str, str, int, float]
# code, name, description, price, cost
_Part = tuple[str, str, str, float, float]


@dataclass(frozen=True, slots=True)
class Sku:
    """One line of the price book; money in cents. ``type`` is the invoice's word for it."""

    code: str
    name: str
    text: str
    price: int
    cost: int
    hours: float
    type: str
    trade: str
    division: str
    maker: str = ""
    model: str = ""


_POOL_SERVICE: tuple[_Service, ...] = (
    ("PS-100", "Pool Service Call", "Diagnose pool equipment, test water and report findings.", 119, 0.75),
    (
        "PS-110",
        "Chemical Balance",
        "Test and balance chlorine, pH, alkalinity, stabilizer and calcium.",
        89,
        0.5,
    ),
    ("PS-120", "Full Clean and Vacuum", "Brush walls, skim, vacuum floor, empty baskets, backwash.", 145, 1),
    ("PS-130", "Cartridge Filter Clean", "Remove, rinse and reseat cartridges; lubricate o-rings.", 129, 1),
    (
        "PS-140",
        "Salt Cell Clean",
        "Acid wash of salt cell, flow switch check, output calibration.",
        139,
        0.75,
    ),
    ("PS-150", "Algae Treatment", "Shock treatment with algaecide and two day follow-up.", 289, 2),
    (
        "PS-210",
        "Pump Seal Replacement",
        "Replace shaft seal, gasket and diffuser o-ring; pressure test.",
        285,
        1.5,
    ),
    ("PS-220", "Pump Motor Replacement", "Replace motor and seal kit, wire and test under load.", 465, 2),
    ("PS-230", "Heater Ignition Repair", "Clean burner tray, replace igniter, check gas pressure.", 395, 2),
    ("PS-240", "Pressure Leak Test", "Isolate and pressure test suction and return lines.", 425, 2.5),
    ("PS-250", "Light Niche Repair", "Reseal niche, replace lamp gasket and cord seal.", 265, 1.5),
)
_POOL_INSTALL: tuple[_Service, ...] = (
    ("PI-310", "Install Variable Speed Pump", "Set pump, plumb unions, wire, program three speeds.", 695, 3),
    (
        "PI-320",
        "Install Pool Heater",
        "Set heater on pad, plumb bypass, gas or electric connection.",
        1450,
        6,
    ),
    ("PI-330", "Install Salt System", "Mount control, plumb cell, add salt and start up.", 785, 4),
    ("PI-340", "Install Automation Panel", "Mount panel, move circuits, commission app control.", 1895, 7),
    ("PI-350", "Equipment Pad Replumb", "Rebuild pad plumbing with new valves and unions.", 1290, 5),
)
_HVAC_SERVICE: tuple[_Service, ...] = (
    ("HS-100", "AC Diagnostic", "Full system diagnosis with readings and written findings.", 99, 0.75),
    (
        "HS-110",
        "Precision Tune-Up",
        "Clean coil, check charge, amperage, drain and safety controls.",
        149,
        1.25,
    ),
    (
        "HS-120",
        "Capacitor Replacement",
        "Replace run capacitor, check compressor and fan amperage.",
        289,
        0.75,
    ),
    ("HS-130", "Contactor Replacement", "Replace contactor, tighten lugs, verify voltage drop.", 265, 0.75),
    (
        "HS-140",
        "Drain Line Clear",
        "Clear condensate line, flush with treatment, test float switch.",
        189,
        0.75,
    ),
    ("HS-150", "Refrigerant Leak Search", "Electronic and dye leak search with report.", 425, 2),
    (
        "HS-160",
        "Blower Motor Replacement",
        "Replace motor and module, balance wheel, set speed taps.",
        685,
        2,
    ),
    ("HS-170", "Evaporator Coil Clean", "Pull and chemically clean the evaporator coil.", 595, 3),
    ("HS-180", "Thermostat Replacement", "Install, wire and configure a programmable thermostat.", 245, 1),
)
_HVAC_INSTALL: tuple[_Service, ...] = (
    (
        "HI-310",
        "System Changeout Labor",
        "Recover refrigerant, remove old system, set and commission new.",
        2450,
        9,
    ),
    ("HI-320", "Mini Split Labor", "Mount heads, run line set, electrical whip and start up.", 1650, 7),
    (
        "HI-330",
        "Duct Replacement Labor",
        "Remove and replace supply and return runs, seal with mastic.",
        2250,
        9,
    ),
    (
        "HI-340",
        "Permit and Inspection",
        "Mechanical permit, load calculation and inspection meeting.",
        325,
        0.5,
    ),
)
_PLUMBING_SERVICE: tuple[_Service, ...] = (
    ("PL-100", "Plumbing Diagnostic", "Locate the problem, test pressure, quote repair options.", 89, 0.5),
    ("PL-110", "Main Drain Cable", "Cable main line up to 100 feet from clean-out.", 265, 1.25),
    ("PL-120", "Branch Drain Cable", "Cable kitchen, lavatory or tub branch line.", 189, 0.75),
    ("PL-130", "Hydro Jetting", "Jet main line, camera before and after.", 595, 2.5),
    ("PL-140", "Toilet Rebuild", "Replace fill valve, flapper, supply line and bolts.", 235, 0.75),
    ("PL-150", "Copper Leak Repair", "Open wall as needed, repair copper line, pressure test.", 385, 1.75),
    ("PL-160", "Water Heater Element", "Drain tank, replace elements and thermostats.", 345, 1.5),
    ("PL-170", "Faucet Replacement", "Remove old faucet, set new, replace supplies.", 225, 1),
    ("PL-180", "Pressure Regulator", "Replace pressure reducing valve and set to 60 psi.", 415, 1.5),
)
_PLUMBING_INSTALL: tuple[_Service, ...] = (
    (
        "PN-310",
        "Water Heater Changeout",
        "Drain, haul away, set new heater with pan and expansion tank.",
        785,
        4,
    ),
    (
        "PN-320",
        "Repipe Labor per Day",
        "Run new lines, connect fixtures, pressure test, patch openings.",
        1950,
        8,
    ),
    ("PN-330", "Softener Installation", "Set softener, plumb bypass, drain and program.", 695, 4),
)
_POOL_PARTS: tuple[_Part, ...] = (
    ("PM-010", "Liquid Chlorine", "Sodium hypochlorite 10 percent, per gallon.", 8.5, 3.1),
    ("PM-020", "Muriatic Acid", "Per gallon.", 11, 4.2),
    ("PM-030", "Pool Salt 40 lb", "High purity salt bag.", 14.5, 7.6),
    ("PM-040", "Shaft Seal Kit", "Seal, gasket and o-ring kit.", 68, 24.5),
    ("PM-050", "Cartridge Element", "Replacement filter cartridge, 100 square feet.", 148, 71),
    ("PM-060", "Igniter Assembly", "Hot surface igniter with gasket.", 126, 54),
    ("PM-070", "2 in Jandy Style Valve", "Three way diverter valve.", 96, 39),
    ("PM-080", "PVC Fittings Bundle", "Unions, elbows and couplings for one pad.", 74, 28),
    ("PM-090", "LED Pool Lamp", "12 V colour lamp with 50 ft cord.", 485, 262),
)
_HVAC_PARTS: tuple[_Part, ...] = (
    ("HM-010", "Dual Run Capacitor 45/5", "440 V round capacitor.", 62, 14),
    ("HM-020", "Contactor 2 Pole 40 A", "24 V coil.", 58, 16.5),
    ("HM-030", "R-410A Refrigerant", "Per pound.", 95, 22),
    ("HM-040", "Condensate Float Switch", "Wet switch for secondary pan.", 79, 21),
    ("HM-050", "Media Filter 16x25x5", "MERV 11.", 64, 27),
    ("HM-060", "Line Set 3/8 x 3/4", "Insulated, 35 feet.", 295, 148),
    ("HM-070", "Flexible Duct 8 in", "R-8, 25 foot bag.", 88, 41),
    ("HM-080", "Condenser Pad", "Hurricane rated with clips.", 115, 48),
    ("HM-090", "ECM Blower Module", "Programmed replacement module.", 465, 238),
)
_PLUMBING_PARTS: tuple[_Part, ...] = (
    ("PB-010", "Fill Valve Kit", "Fill valve, flapper and supply.", 42, 13),
    ("PB-020", "Copper Coupling Set", "1/2 and 3/4 couplings, per repair.", 28, 9),
    ("PB-030", "Heating Element 4500 W", "Screw-in element with gasket.", 46, 14.5),
    ("PB-040", "Expansion Tank 2 gal", "Potable thermal expansion tank.", 118, 47),
    ("PB-050", "PEX Pipe 3/4", "Per 100 feet with fittings.", 165, 74),
    ("PB-060", "Ball Valve 3/4", "Full port, lead free.", 39, 14),
    ("PB-070", "Wax Ring and Bolts", "With flange extender.", 19, 5.5),
    ("PB-080", "Pressure Reducing Valve", "3/4 inch with union.", 172, 79),
)
# code, name, price, cost, maker, model
_EQUIPMENT = (
    ("PE-510", "Variable Speed Pump 1.5 HP", 1349, 812, POOL, "Marlow", "VSX-150"),
    ("PE-520", "Variable Speed Pump 3 HP", 1795, 1104, POOL, "Marlow", "VSX-300"),
    ("PE-530", "Heat Pump Pool Heater 125k BTU", 4650, 3090, POOL, "Solana", "HP-125T"),
    ("PE-540", "Gas Pool Heater 400k BTU", 3895, 2515, POOL, "Solana", "GH-400"),
    ("PE-550", "Salt Chlorinator 40k gal", 1545, 958, POOL, "PureTide", "SC-40"),
    ("PE-560", "Automation Panel 8 Relay", 2795, 1820, POOL, "PureTide", "AP-8"),
    ("PE-570", "Cartridge Filter 420 sq ft", 1295, 780, POOL, "Marlow", "CF-420"),
    ("HE-510", "Split System 3 Ton 15.2 SEER2", 5890, 3420, HVAC, "Northgale", "NG36-15"),
    ("HE-520", "Split System 4 Ton 16 SEER2", 7250, 4280, HVAC, "Northgale", "NG48-16"),
    ("HE-530", "Heat Pump 3.5 Ton 16 SEER2", 6790, 3985, HVAC, "Airmark", "HP42-16"),
    ("HE-540", "Mini Split 12k BTU", 2190, 1240, HVAC, "Airmark", "MS-12"),
    ("HE-550", "Air Handler 4 Ton", 2480, 1510, HVAC, "Northgale", "AH48"),
    ("HE-560", "Smart Thermostat", 295, 142, HVAC, "Airmark", "ST-2"),
    ("PW-510", "Electric Water Heater 50 gal", 985, 560, PLUMBING, "Caldera", "EW-50"),
    ("PW-520", "Heat Pump Water Heater 65 gal", 2350, 1490, PLUMBING, "Caldera", "HW-65"),
    ("PW-530", "Tankless Gas Heater 199k", 1980, 1215, PLUMBING, "Caldera", "TG-199"),
    ("PW-540", "Water Softener 48k Grain", 1690, 940, PLUMBING, "Clearwell", "WS-48"),
)


def _services(rows: tuple[_Service, ...], trade: str, division: str) -> list[Sku]:
    return [
        Sku(code, name, text, price * 100, round(hours * 3_400), float(hours), "Service", trade, division)
        for code, name, text, price, hours in rows
    ]


def _parts(rows: tuple[_Part, ...], trade: str) -> list[Sku]:
    return [
        Sku(code, name, text, round(price * 100), round(cost * 100), 0.0, "Material", trade, "")
        for code, name, text, price, cost in rows
    ]


SERVICES = (
    *_services(_POOL_SERVICE, POOL, SERVICE),
    *_services(_POOL_INSTALL, POOL, INSTALL),
    *_services(_HVAC_SERVICE, HVAC, SERVICE),
    *_services(_HVAC_INSTALL, HVAC, INSTALL),
    *_services(_PLUMBING_SERVICE, PLUMBING, SERVICE),
    *_services(_PLUMBING_INSTALL, PLUMBING, INSTALL),
)
MATERIALS = (*_parts(_POOL_PARTS, POOL), *_parts(_HVAC_PARTS, HVAC), *_parts(_PLUMBING_PARTS, PLUMBING))
EQUIPMENT = tuple(
    Sku(code, name, f"{maker} {model}, installed with manufacturer warranty.", price * 100, cost * 100, 0.0,
        "Equipment", trade, INSTALL, maker, model)
    for code, name, price, cost, trade, maker, model in _EQUIPMENT
)  # fmt: skip
DISCOUNTS = (
    Sku(
        "DC-010",
        "Member Discount",
        "Membership discount on labor and parts.",
        -2500,
        0,
        0.0,
        "PriceModifier",
        "",
        "",
    ),
    Sku("DC-020", "Senior Discount", "Courtesy discount.", -2000, 0, 0.0, "PriceModifier", "", ""),
    Sku(
        "FE-010",
        "After Hours Fee",
        "Dispatch outside of business hours.",
        8900,
        0,
        0.0,
        "PriceModifier",
        "",
        "",
    ),
)
# The services by which memberships are billed.
PLANS = tuple(
    Sku(code, name, f"{name} billing.", price * 100, 0, 0.0, "Service", trade, "Plan")
    for code, name, price, trade in (
        ("MB-010", "Pool Care Plan", 149, POOL),
        ("MB-020", "Comfort Club", 19, HVAC),
        ("MB-030", "Home Shield Annual", 349, PLUMBING),
    )
)
SKUS = (*SERVICES, *MATERIALS, *EQUIPMENT, *DISCOUNTS, *PLANS)
