"""What people write on jobs: reasons to call, directions, what a technician did, notes, quotes."""

from random import Random

from perfectcatch.sandbox.servicetitan.company.trades import HVAC, INSTALL, PLUMBING, POOL

SYMPTOMS = {
    POOL: (
        "Pump is humming but will not prime and the basket stays half full.",
        "Water has turned cloudy since the weekend even after two bags of shock.",
        "Heater shows an ignition error and drops out after about a minute.",
        "Losing roughly an inch of water a day, the deck is wet next to the equipment pad.",
        "Salt system reads low salt although three bags were added last month.",
        "Air bubbles from the returns and a loud whine from the motor after ten minutes.",
        "Pool light trips the breaker each time it is switched on.",
        "Timer no longer switches the cleaner line, spa spillover runs all night.",
        "Green film on the steps and in the corners, owner brushed it but it comes back.",
    ),
    HVAC: (
        "System runs without stopping and the house will not go below 81 degrees.",
        "Outdoor fan does not turn, a buzzing comes from the unit when it tries to start.",
        "Water is dripping through the hallway ceiling below the air handler.",
        "Thermostat screen is blank since the storm, breaker was already reset once.",
        "Upstairs bedrooms are warm and there is hardly any air from two registers.",
        "Short cycling every few minutes and a musty smell when the blower starts.",
        "Electric bill doubled within two months, customer wants the system checked.",
        "Ice on the copper line and on the coil, system switched off to thaw.",
    ),
    PLUMBING: (
        "Kitchen sink and dishwasher back up together, plunger made no difference.",
        "Water heater leaks from the bottom and the garage floor is wet.",
        "Toilet in the hall bath runs all day and needs the handle jiggled.",
        "No hot water in the master shower, other fixtures seem fine.",
        "Wet spot in the yard between meter and house, meter is spinning with everything off.",
        "Low pressure in the whole house since the city worked on the main.",
        "Gurgling in the tub when the washing machine drains.",
        "Hose bib snapped off at the wall and the shut-off valve will not close.",
    ),
}
_INSTALL_REASONS = {
    POOL: "Approved quote for new pool equipment. Old unit is out of warranty and parts are discontinued.",
    HVAC: "Approved system replacement. Existing equipment is fourteen years old, refrigerant is phased out.",
    PLUMBING: "Approved installation from the quote. Existing unit failed and has been isolated.",
}
_OPENINGS = (
    "Customer called in.",
    "Booked online.",
    "Owner called from out of state.",
    "Tenant called, owner approved.",
    "Follow-up from last visit.",
    "Property manager sent a work order.",
    "Referred by a neighbor.",
)
_ACCESS = (
    "Gate on the left side, please latch it behind you.",
    "Dog is friendly but has to be put inside first.",
    "Call thirty minutes ahead.",
    "Text on the way, doorbell does not work.",
    "Key is with the leasing office.",
    "Park on the street, driveway was just sealed.",
    "Equipment is behind the screened lanai.",
    "Gate code is on the location record.",
    "Somebody is home after 2 PM only.",
    "Please wear shoe covers.",
    "Attic access in the garage.",
    "Shut-off is in the planter by the front door.",
)
_EXTRAS = (
    "Wants a quote for replacement as well.",
    "Asked about the membership price.",
    "Second visit for this problem.",
    "Had another company out last month.",
    "Unit was replaced in 2019 by the previous owner.",
    "Elderly customer.",
    "Wants pictures of the old parts.",
    "Will pay by card on site.",
    "Invoice to the property manager.",
    "Asked for the same technician as last time.",
    "Needs to leave by noon.",
    "Selling the house next month.",
)
_DONE = {
    POOL: (
        "Tested water: free chlorine {a}.{b}, pH 7.{b}, alkalinity {c}, salt 3{a}{b}0 ppm.",
        "Opened pump, removed debris from impeller, replaced worn seal and lubricated lid o-ring.",
        "Cleaned cartridges and recorded {a}{b} psi clean pressure on the gauge.",
        "Cycled heater through ignition four times, temperature rise {a} degrees, no faults.",
        "Pressure tested returns at {c} psi, one fitting below the skimmer was resealed.",
        "Programmed schedule with the customer and labelled the valves.",
    ),
    HVAC: (
        "Measured {c} volts at the contactor, run capacitor {a}.{b} microfarad below rating, replaced.",
        "Supply {c} degrees, return 7{b} degrees, split of 1{a} after repair.",
        "Cleared condensate line with nitrogen and flushed it, float switch tested.",
        "Washed condenser coil and tightened electrical connections, amperage within nameplate.",
        "Superheat {a}{b}, subcooling {a}, charge adjusted by {b} ounces.",
        "Replaced filter and sealed a gap at the return plenum with mastic.",
    ),
    PLUMBING: (
        "Cabled line {c} feet from the clean-out, pulled back wipes and roots, flow restored.",
        "Static pressure {c} psi, set regulator to 6{b}.",
        "Drained tank, replaced lower element, anode about {a}0 percent used.",
        "Rebuilt toilet with new fill valve and flapper, dye test passed.",
        "Soldered new coupling, pressure tested for {a}{b} minutes, no loss.",
        "Camera shows a belly at {c} feet, recommended to watch it.",
    ),
}
_CLOSINGS = (
    "Customer was shown the result and signed.",
    "Area left clean.",
    "Advised on maintenance interval.",
    "Left door hanger, nobody home.",
    "Pictures attached to the job.",
    "Recommended a follow-up in six months.",
    "System running on departure.",
    "Old parts left with the customer.",
)
_NOTES = (
    "Left voicemail to confirm the time window.",
    "Customer moved the visit to the afternoon.",
    "Part is on the van.",
    "Spoke with the owner, approved up to the quoted amount.",
    "Sent the invoice again on request.",
    "Warranty checked with the manufacturer, labor is not covered.",
    "Technician running forty minutes late.",
    "Customer is very happy, asked for a review.",
    "Permit number received, inspection to be booked.",
    "Please bring the long ladder.",
    "Part ordered, expected within three days.",
    "Price objection, follow up Friday.",
)
_QUOTES = (
    "Includes removal of the old unit and haul away.",
    "One year labor warranty, manufacturer warranty on parts.",
    "Price is good for thirty days.",
    "Permit is included where required.",
    "Financing available on request.",
    "Work takes about one day, water or power will be off for part of it.",
    "Member pricing applied.",
    "Customer wants to talk to the spouse first.",
    "Options explained on site with pictures.",
    "Best value for the age of the system.",
    "Does not include electrical upgrades beyond the disconnect.",
)


def job_summary(random: Random, trade: str, division: str) -> str:
    """Write why the customer called, in the vendor's HTML-ish text."""
    reason = _INSTALL_REASONS[trade] if division == INSTALL else random.choice(SYMPTOMS[trade])
    access = "</li><li>".join(random.sample(_ACCESS, 2))
    extra = " ".join(random.sample(_EXTRAS, 2))
    return (
        f"<p><strong>{random.choice(_OPENINGS)}</strong> {reason}</p>"
        f"<ul><li>{access}</li></ul><p>{extra}&nbsp;Confirmed &amp; added by the office.</p>"
    )


def work_done(random: Random, trade: str) -> str:
    """Write what a technician did."""
    first, second, third = random.sample(_DONE[trade], 3)
    numbers = {"a": random.randrange(1, 10), "b": random.randrange(10), "c": random.randrange(41, 99)}
    text = f"{first} {second} {third} {random.choice(_CLOSINGS)}"
    return text.format_map(numbers)


def done(random: Random, trade: str) -> str:
    """Write one thing that a technician did, as an invoice sums it up."""
    numbers = {"a": random.randrange(1, 10), "b": random.randrange(10), "c": random.randrange(41, 99)}
    return random.choice(_DONE[trade]).format_map(numbers)


def instructions(random: Random) -> str:
    """Write directions for one visit."""
    return "\n".join(random.sample(_ACCESS, 3))


def note(random: Random) -> str:
    """Write an office note."""
    return " ".join(random.sample(_NOTES, 2))


def quote(random: Random) -> str:
    """Write the summary of an estimate."""
    return " ".join(random.sample(_QUOTES, 4))
