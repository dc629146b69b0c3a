"""What people write when they want no more messages, and when they write something else."""

import pytest

from perfectcatch.messaging.optout import Meaning, understand

# A hundred ways to say it.
ENOUGH = """
STOP
Stop.
"Stop"
STOPALL
Stop all
UNSUBSCRIBE
unsubscribe
Cancel
CANCEL
END
Quit
revoke
REVOKE
opt out
OPTOUT
stpo
sotp
stopp
Stoop
st0p
s t o p
S.T.O.P
unsuscribe
unsubcribe
unsub
cancle
STOP STOP STOP
stop please
please stop
Pls stop
Plz stop
STOP 🛑
🛑
✋
stop texting me
Stop texting me!
stop sending me these
please stop texting this number
Stop messaging me please
stop contacting me
Please stop sending me messages
STOP SENDING ME TEXTS
stop calling and texting me
stop emailing me
quit texting me
stop it
stop this now
Stop all messages
Stpo texting me
don't text me
dont text me anymore
Do not text me again
do not contact me
Don't message me again
Never text me again
please don't send me any more messages
I don't want these texts
I do not want to receive messages from you
i dont want any more texts
I no longer want to receive your texts
don't ever contact me again
take me off your list
Take me off this list please
Remove me from your list
remove my number
Please remove this number from your system
remove me
delete my number
lose my number
leave me alone
no more texts
No more messages please
no more
opt me out
I want to opt out
I'd like to unsubscribe please
how many times do i have to tell you to stop
I revoke my consent
I withdraw my consent to be contacted
wrong number
You have the wrong number
this is spam
I never signed up for this
fuck off
end texts
PARE
alto
no más
No mas mensajes
ya no me manden mensajes
no me escriban más
deje de mandarme mensajes
dejen de enviar textos
basta ya
quítenme de la lista
darme de baja
cancelar
no quiero recibir más mensajes
número equivocado
por favor paren
""".strip().splitlines()

OPPOSITE = [
    "don't stop",
    "Please don't stop the messages",
    "do not cancel",
    "don't unsubscribe me",
    "no paren por favor, me gustan",
    "Should I stop the pump first?",
]

OTHER = [
    "My AC stopped working",
    "Can you stop by tomorrow?",
    "the furnace won't stop running",
    "It stops cooling after an hour",
    "Please stop by the office to get the key",
    "Cancel my appointment",
    "I need to cancel the visit on Tuesday",
    "Can we reschedule?",
    "C",
    "R",
    "Yes",
    "yes please",
    "No",
    "no thanks",
    "Thank you!",
    "We are at the end of the street",
    "the unit quit again last night",
    "the heater quit working",
    "Can you remove the old unit?",
    "See you this weekend",
    "What time will he be here?",
    "The water is leaking, please hurry",
    "I will call you",
    "Call me",
    "Text me when you are on your way",
    "please send the invoice by email",
    "Can you send me the estimate again?",
    "Sí, confirmo la cita",
    "Gracias",
    "¿A qué hora llegan?",
    "La presión está baja",
    "Para el martes está bien",
    "por fin llegaron, gracias",
    "Need help with the thermostat",
    "Is the info on the website right?",
    "great job, five stars",
    "👍",
    "",
    "How much is it",
    "the bus stop is in front of the house",
    "nonstop noise from the fan",
    "I have a message for the technician",
    "did you get my email",
    "Don't text, call",
]


def test_a_hundred_ways_are_listed():
    assert len(ENOUGH) == 100
    assert len(set(ENOUGH)) == 100


@pytest.mark.parametrize("words", ENOUGH)
def test_it_ends_messages(words: str):
    assert understand(words).meaning is Meaning.OPT_OUT


@pytest.mark.parametrize("words", OPPOSITE)
def test_the_opposite_goes_to_a_person(words: str):
    assert understand(words).meaning is Meaning.DOUBTFUL


@pytest.mark.parametrize("words", OTHER)
def test_it_is_something_else(words: str):
    assert understand(words).meaning in (Meaning.REPLY, Meaning.DOUBTFUL)


def test_few_words_of_something_else_are_doubted():
    doubted = [words for words in OTHER if understand(words).meaning is not Meaning.REPLY]
    assert len(doubted) <= 2, doubted


@pytest.mark.parametrize(
    ("words", "meaning", "spanish"),
    [
        ("HELP", Meaning.HELP, False),
        ("info", Meaning.HELP, False),
        ("Ayuda", Meaning.HELP, True),
        ("START", Meaning.START, False),
        ("Unstop", Meaning.START, False),
        ("alto", Meaning.OPT_OUT, True),
        ("no me manden más mensajes", Meaning.OPT_OUT, True),
        ("Not interested", Meaning.DOUBTFUL, False),
        ("Who is this?", Meaning.DOUBTFUL, False),
    ],
)
def test_keywords(words: str, meaning: Meaning, spanish: bool):
    heard = understand(words)
    assert (heard.meaning, heard.spanish) == (meaning, spanish)


def test_yes_begins_again_only_for_who_had_ended_it():
    assert understand("YES").meaning is Meaning.REPLY
    assert understand("YES", opted_out=True).meaning is Meaning.START
