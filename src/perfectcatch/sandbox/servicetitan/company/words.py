"""Names of people, streets, towns and firms from which the made-up company's world is composed.

Telephone numbers are the 555-01xx block that is reserved for fiction; mail domains are the reserved
example.com, .net and .org. Any likeness of a composed name with a person is chance.
"""

from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


FIRST_NAMES = _words(
    "Alma Andre Angela Anita Anthony Ariana Barbara Beatriz Bernard Brenda Bruno Calvin Camila Carla "
    "Carlos Carol Cedric Chloe Clara Claudia Colin Corinne Curtis Daniela Darius Deborah Delia Dennis "
    "Diana Dolores Donna Dwayne Edith Eduardo Elaine Elena Emilio Erica Ernesto Esther Eugene Evelyn "
    "Fabian Felicia Fernando Florence Frances Gavin Gerald Gina Glenda Gloria Gordon Greta Gustavo "
    "Harold Hector Heidi Helen Holly Hugo Ines Irene Isaac Ivan Jackie Jamal Janet Jasmine Javier "
    "Jerome Joanna Joel Jorge Josephine Joyce Julian Karen Keisha Kelvin Kendra Kurt Lamar Latoya "
    "Laura Leon Leticia Lillian Lorenzo Lucia Luther Lydia Malik Manuel Marcia Marco Marisol Marlene "
    "Marvin Maureen Melvin Mercedes Miguel Miriam Monica Nadia Nancy Natalie Nelson Nina Noel Nora "
    "Omar Oscar Pamela Patrice Paula Pedro Phyllis Priya Quentin Rafael Ramona Raul Regina Rene "
    "Rhonda Ricardo Rita Roberta Rodney Rosa Roy Ruben Ruth Salvador Sandra Sergio Sheila Silvia "
    "Simone Sonia Stanley Stella Sylvia Tamara Terrence Theresa Tomas Tonya Trevor Ursula Valerie "
    "Vera Vernon Victor Violet Virgil Wanda Wendell Wilma Xavier Yolanda Yvonne Zachary Zoe"
)

LAST_NAMES = _words(
    "Abbott Acosta Albright Alvarado Ames Arroyo Atwood Avila Bainbridge Ballard Barlow Barrera "
    "Beckett Benitez Birch Blackwell Bonilla Bowers Bradshaw Briggs Brock Bustos Byrne Cabrera "
    "Calderon Calloway Cardenas Castellanos Chambers Chavez Cline Colby Contreras Corbin Cordero "
    "Crane Crosby Cuevas Dalton Darby Decker Delgado Dempsey Devlin Dixon Donovan Dorsey Duarte "
    "Dunlap Eastman Echols Elliott Escobar Esposito Everett Fairchild Farley Ferrara Figueroa Finch "
    "Fletcher Fontaine Foster Franco Frost Gallagher Galvan Garrity Gibbs Goddard Gorman Grady "
    "Granger Guerrero Haines Hammond Harding Hatch Hawkins Healy Herrera Hobbs Holbrook Horton "
    "Hutchins Ibarra Ingram Jarvis Jennings Joyner Kearney Keller Kirby Knox Lambert Landry Larkin "
    "Ledger Leon Lockhart Lowell Lozano Lynch Maddox Maldonado Manning Marsh Mayfield McBride McCall "
    "Mercer Merritt Milner Montoya Moody Navarro Newell Nolan Norwood Ochoa Olsen Ortega Osborne "
    "Pacheco Paxton Pena Pickett Pineda Porter Pratt Quinn Quintero Radcliffe Ramsey Redmond Reyes "
    "Ridley Rivas Robles Rourke Rowland Salazar Sampson Santiago Sawyer Sears Serrano Shelton Sierra "
    "Slater Solis Spencer Stafford Stokes Sutton Talbot Tavares Thornton Tidwell Trevino Underwood "
    "Valdez Vance Vaughn Velez Villegas Wade Walden Waters Weaver Whitaker Wilder Winslow Wyatt "
    "Yancey Yates Zamora Zeller"
)

STREET_NAMES = _names(
    "Anhinga, Arbor, Azalea, Banyan, Bay Laurel, Bayshore, Bear Creek, Bent Pine, Blue Heron, "
    "Bougainvillea, Cabbage Palm, Calusa, Camellia, Captiva, Cardinal, Citrus Grove, Cocoplum, Coral "
    "Cove, Coquina, Cypress Bend, Dogwood, Dolphin, Egret, Emerald, Fern Hollow, Flamingo, Gardenia, "
    "Gulf Breeze, Harbor, Hibiscus, Honeysuckle, Ibis, Indigo, Jasmine, Key Lime, Kingfisher, Lake "
    "Magnolia, Lantana, Live Oak, Loblolly, Longleaf, Manatee, Mangrove, Marlin, Mockingbird, Moss "
    "Oak, Oleander, Orange Blossom, Osprey, Palmetto, Pelican, Periwinkle, Pine Needle, Plumeria, "
    "Poinciana, Red Maple, Royal Palm, Sabal, Sago, Sandhill, Sandpiper, Sea Grape, Seminole, Silver "
    "Thatch, Spanish Moss, Spoonbill, Starfish, Sunset, Tamarind, Tarpon, Terrapin, Turtle Cove, "
    "Water Oak, Whispering Pines"
)
STREET_KINDS = ("Ave", "Blvd", "Cir", "Ct", "Dr", "Ln", "Loop", "Pl", "Rd", "St", "Ter", "Trl", "Way")

# town, ZIP codes, latitude, longitude, zone (an index into ZONES), tax zone (an index into TAX_ZONES)
TOWNS = (
    ("Tampa", ("33602", "33606", "33609", "33611", "33618", "33624", "33629", "33647"), 27.95, -82.46, 0, 0),
    ("Brandon", ("33510", "33511"), 27.94, -82.29, 0, 0),
    ("Riverview", ("33569", "33578", "33579"), 27.87, -82.33, 0, 0),
    ("Lutz", ("33548", "33549", "33558"), 28.15, -82.46, 1, 0),
    ("Wesley Chapel", ("33543", "33544", "33545"), 28.24, -82.33, 1, 2),
    ("Land O Lakes", ("34637", "34638", "34639"), 28.22, -82.46, 1, 2),
    ("New Port Richey", ("34652", "34653", "34655"), 28.24, -82.72, 1, 2),
    ("Clearwater", ("33755", "33759", "33761", "33764"), 27.97, -82.80, 2, 1),
    ("Largo", ("33770", "33771", "33774"), 27.91, -82.79, 2, 1),
    ("Palm Harbor", ("34683", "34684", "34685"), 28.08, -82.76, 2, 1),
    ("St. Petersburg", ("33701", "33704", "33707", "33710", "33716"), 27.77, -82.64, 3, 1),
    ("Seminole", ("33772", "33776", "33777"), 27.84, -82.79, 3, 1),
    ("Bradenton", ("34202", "34205", "34209", "34212"), 27.50, -82.57, 4, 3),
    ("Sarasota", ("34231", "34232", "34238", "34240"), 27.34, -82.53, 4, 4),
    ("Lakewood Ranch", ("34202", "34211"), 27.41, -82.41, 4, 3),
)
ZONES = ("Tampa East", "North", "Pinellas North", "Pinellas South", "Manatee and Sarasota")

FIRM_FIRST = _names(
    "Bayfront, Blue Lagoon, Calusa, Citrus Park, Coastal, Cypress, Emerald Coast, Golden Tarpon, "
    "Gulfside, Harbor Point, Heron Bay, Island, Lakeview, Magnolia, Mangrove, Osprey, Palm Court, "
    "Pelican, Pinecrest, Riverwalk, Royal Palm, Sandbar, Seabreeze, Silver Sands, Sunward, Suncoast, "
    "Tidewater, Turtle Bay, Westshore, Windward"
)
FIRM_SECOND = _names(
    "Apartments, Assisted Living, Car Wash, Church, Community Association, Condominiums, Dental "
    "Group, Fitness Club, Grill, Homeowners Association, Hotel, Inn & Suites, Marina, Medical Plaza, "
    "Office Park, Property Management, RV Resort, Realty Group, Retail Center, School, Self Storage, "
    "Swim Academy, Townhomes, Veterinary Clinic, Villas, Yacht Club"
)
FIRM_END = ("", "", "", " Inc", " LLC", " LLC", " of Tampa Bay", " of Florida")

# Local codes come first, then the rest of Florida, then where winter guests come from.
AREA_CODES = _words(
    "813 727 656 941 863 352 407 321 239 561 954 305 786 772 850 904 386 689 754 212 646 718 917 516 "
    "631 914 845 201 973 732 908 856 609 215 267 610 617 781 508 860 203 401 603 207 802 312 773 847 "
    "630 708 313 248 734 216 440 614 513 317 412 724 404 770 678 919 704 615 502 303 720 206 503 602 "
    "480 214 972 713 281 512 210 816 913 314 612 651 414 608 515 402 316 405 504 901 205 601 864 843 "
    "804 757 540 301 410 443 302 304"
)
MAIL_DOMAINS = ("example.com", "example.com", "example.net", "example.org")


def street(random: Random) -> str:
    """Return a house number and street."""
    return f"{random.randrange(100, 18_900)} {random.choice(STREET_NAMES)} {random.choice(STREET_KINDS)}"


def firm(random: Random) -> str:
    """Return the name of a business."""
    return f"{random.choice(FIRM_FIRST)} {random.choice(FIRM_SECOND)}{random.choice(FIRM_END)}"
