"""Words, stems and the small general vocabulary that retrieval stands on. Nothing here knows a data set."""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["NUMBER_WORDS", "STOP", "deletions", "related", "stem", "stems", "words"]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?", re.UNICODE)

STOP: frozenset[str] = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "there",
        "here",
        "it",
        "its",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "am",
        "do",
        "does",
        "did",
        "done",
        "doing",
        "have",
        "has",
        "had",
        "having",
        "will",
        "would",
        "shall",
        "should",
        "can",
        "could",
        "may",
        "might",
        "must",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "from",
        "with",
        "without",
        "about",
        "into",
        "onto",
        "up",
        "down",
        "out",
        "off",
        "over",
        "under",
        "again",
        "then",
        "than",
        "so",
        "as",
        "if",
        "and",
        "or",
        "but",
        "nor",
        "not",
        "no",
        "yes",
        "i",
        "me",
        "my",
        "mine",
        "we",
        "us",
        "our",
        "ours",
        "you",
        "your",
        "yours",
        "he",
        "him",
        "his",
        "she",
        "her",
        "hers",
        "they",
        "them",
        "their",
        "theirs",
        "who",
        "whom",
        "whose",
        "which",
        "what",
        "when",
        "where",
        "why",
        "how",
        "please",
        "kindly",
        "tell",
        "know",
        "let",
        "ask",
        "hello",
        "hi",
        "good",
        "morning",
        "afternoon",
        "evening",
        "thank",
        "thanks",
        "just",
        "also",
        "too",
        "very",
        "really",
        "any",
        "some",
        "all",
        "each",
        "every",
        "much",
        "many",
        "long",
        "often",
        "far",
        "soon",
        "quickly",
        "one's",
        "ll",
        "ve",
        "re",
        "s",
        "t",
        "d",
        "m",
        "get",
        "got",
        "say",
        "said",
        "want",
        "wanted",
        "like",
        "need",
        "needed",
        "wondering",
        "wonder",
        "quick",
        "question",
        "somebody",
        "someone",
        "something",
        "anything",
        "anyone",
        "now",
        "still",
        "yet",
        "only",
        "even",
        "ever",
        "while",
        "during",
        "because",
        "since",
        "until",
        "till",
        "before",
        "after",
        "between",
        "per",
        "via",
        "case",
        "sir",
        "madam",
        "dear",
        "sorry",
        "am're",
        "o'clock",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "des",
        "ein",
        "eine",
        "einen",
        "einem",
        "einer",
        "und",
        "oder",
        "aber",
        "ist",
        "sind",
        "war",
        "wird",
        "werden",
        "wie",
        "was",
        "wer",
        "wann",
        "wo",
        "wie",
        "viel",
        "viele",
        "lange",
        "ich",
        "mir",
        "mich",
        "wir",
        "uns",
        "sie",
        "ihr",
        "ihre",
        "mein",
        "meine",
        "kann",
        "darf",
        "muss",
        "soll",
        "von",
        "zu",
        "mit",
        "nach",
        "bei",
        "für",
        "auf",
        "aus",
        "im",
        "am",
        "an",
        "es",
        "nicht",
        "kein",
        "keine",
        "ohne",
        "bitte",
        "el",
        "la",
        "los",
        "las",
        "un",
        "una",
        "unos",
        "unas",
        "y",
        "o",
        "pero",
        "es",
        "son",
        "era",
        "ser",
        "estar",
        "está",
        "están",
        "como",
        "cómo",
        "que",
        "qué",
        "quién",
        "cuándo",
        "cuál",
        "cuánto",
        "cuánta",
        "cuántos",
        "cuántas",
        "dónde",
        "yo",
        "me",
        "mi",
        "mis",
        "nos",
        "se",
        "su",
        "sus",
        "tu",
        "puedo",
        "puede",
        "debo",
        "debe",
        "de",
        "del",
        "a",
        "al",
        "con",
        "en",
        "por",
        "para",
        "sin",
        "no",
        "hay",
        "lo",
        "le",
    ]
)

NUMBER_WORDS: dict[str, int] = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}

_IRREGULAR = {
    line.split()[0]: line.split()[1]
    for line in """paid pay|sent send|bought buy|went go|gone go|taken take|took take|left leave|kept keep|lost lose
    loss lose|broke break|broken break|children child|kids child|people person|persons person|given give|gave give
    held hold|made make|found find|forgot forget|forgotten forget|came come|brought bring|told tell|wrote write
    written write|ran run|began begin|begun begin|chosen choose|chose choose|spent spend|met meet|sold sell
    drove drive|driven drive|stolen steal|stole steal|torn tear|worn wear|mice mouse|feet foot|teeth tooth|men man
    women woman|bound bind|shut close|less less|days day|dies die|died die|lying lie|tied tie|news news""".replace(
        "\n", "|"
    ).split("|")
    if line.strip()
}

_GROUPS = """
cost price fee charge pay amount bill rate expensive sum surcharge owe tariff fare set money levy quote
refund reimburse return repay back recover
cancel call end terminate stop quit withdraw close scrap
buy purchase order acquire
send post mail ship deliver dispatch forward
arrive come reach delivery
ring phone call dial telephone contact hotline line reach speak
email mail address write
start begin open commence
finish end close stop last
broken damage faulty defect break crack smash injure
lose miss vanish mislay lost
late overdue delay behind tardy
early advance ahead beforehand notice prior
renew extend prolong extension
allow permit may let accept admit
forbid ban prohibit exclude refuse disallow
child kid minor young teenager son daughter toddler youngster
student pupil school university learner
senior pensioner elderly retire older
person people individual man anyone visitor guest
car vehicle automobile van
bicycle bike cycle
dog pet animal puppy
flat apartment home house room residence
document paper proof certificate evidence id identification form
remove delete erase drop clear
keep store retain hold save
limit maximum most cap quota ceiling
minimum least lowest
big large size great
small little tiny
free gratis complimentary costless nothing
weekly week
daily day
monthly month
yearly annual year annually
quick fast speedy soon
change switch amend alter modify move swap
repair fix mend
copy backup duplicate
doctor physician gp surgeon
medicine drug tablet pill medication prescription
sick ill unwell illness
holiday vacation trip
complain complaint dispute objection grievance
reply answer respond response
ask request apply application
deposit prepay downpayment security
invoice bill statement
discount reduction rebate reduce cheaper concession
password login signin credential passcode
website site online web internet portal
employee staff worker colleague
customer client user subscriber member
teacher tutor instructor
reserve book reservation booking
seat place spot
luggage baggage bag suitcase
train rail
theft steal rob
key fob
rubbish waste trash garbage refuse bin
water leak leakage
replace exchange substitute replacement swap
warranty guarantee
insurance cover insure
signature sign
parent mother father mum dad guardian
night overnight evening
opening hour open
join register enrol enroll sign signup registration
leave depart exit quit
check inspect inspection verify examine
package parcel box
bring carry take
borrow lend loan
wait queue
lesson class course
exam test
meal food dinner lunch breakfast eat
glass glassware
suspend pause freeze
upgrade increase raise
downgrade reduce decrease lower cut
additional extra further more another
supply provide offer give
require demand necessary
happen occur
weekend saturday sunday
stay remain
visit appointment
internet online web
dial phone ring call
injection inject shot jab
chilled chill cool refrigerate cold
stone marble granite
cash money coin change
reject refuse turn decline deny
passphrase password
odour smell scent
buggy pushchair pram stroller
sack bag
picture photo image photograph
television tv screen monitor
clothes clothing garment wear
shoe footwear boot sneaker sandal
swimsuit swimwear bikini
cat kitten tomcat
wife husband spouse partner
lorry truck
handset phone mobile cellphone smartphone
wheelchair disabled disability
gift present
kilometre km mileage mile
kilogram kilo kg weight weigh heavy
plane aeroplane flight fly
counter desk till
tenant renter lessee
landlord owner
hold hang
baby infant newborn
adult grown
driver wheel drive
enter access entrance entry
dirty soil stain
clean wash launder
noise quiet loud
noisy loud noise
alcohol beer wine drink
smoke smoking cigarette
swim pool bathe
dry drying
cook kitchen
bed mattress
towel linen
light lamp
electricity power current
petrol fuel gas
winter snow
rain wet
court tribunal
police
allergy allergic
vaccination vaccine jab
surname name
birthday birth born age old
under below younger less
over above older more
twin double
third three
half fifty
fortnight week
voucher coupon code
app application
upfront prepay advance
hurry urgent express rush
overtime extra
parking park
"""

_FOREIGN = """
kostet cost|kosten cost|preis price|gebühr fee|bezahlen pay|zahlen pay|zahle pay|tagen day|tage day|tag day|wochen week
woche week|monaten month|monate month|monat month|jahr year|jahre year|stunden hour|stunde hour|minuten minute|schlüssel key
nutzung unused|widerrufen revoke|kündigen cancel|kündigung cancel|vertrag contract|rückgabe return|zurückgeben return
zurück return|erstattung refund|erstattet refund|lieferung delivery|rechnung invoice|kunde customer|kinder child|kind child
hund dog|hunde dog|gast guest|gäste guest|zimmer room|wohnung flat|haus house|auto car|fahrrad bicycle|öffnen open
geöffnet open|geschlossen close|uhr hour|anrufen ring|nummer number|telefon phone|adresse address|schicken send|senden send
spätestens latest|höchstens maximum|mindestens minimum|erlaubt allow|verboten forbid|rabatt discount|ermäßigung discount
schule school|schüler pupil|studenten student|termin appointment|absagen cancel|frist deadline|beschwerde complaint
antwort answer|anmelden register|anmeldung registration|mitglied member|mitglieder member|karte card|bücher book|buch book
müll waste|tonne bin|wasser water|strom electricity|gas gas|reparatur repair|kaution deposit|schlüssel key|tür door
passwort password|konto account|daten data|löschen delete|gelöscht delete|speichern store|parken park|gepäck luggage
verspätung delay|verspätet late|besuch visit|stornieren cancel|stornierung cancel|ware goods|paket parcel|bestellung order
mieter tenant|miete rent|versicherung insurance|unfall accident|ausweis id|eintritt admission|früh early|spät late|nacht night
cuesta cost|precio price|coste cost|tarifa fee|pagar pay|pago pay|pagan pay|cobran charge|cobra charge|días day|día day
semanas week|semana week|meses month|mes month|año year|años year|horas hour|hora hour|minutos minute|cancelar cancel
contrato contract|devolver return|devolución return|reembolso refund|entrega delivery|factura invoice|cliente customer
niños child|niño child|hijo child|hija child|perro dog|perros dog|habitación room|piso flat|casa house|coche car|bicicleta bicycle
abrir open|abren open|abierto open|cerrado close|llamar ring|llamo ring|número number|teléfono phone|dirección address
enviar send|máximo maximum|mínimo minimum|permite allow|prohibido forbid|descuento discount|escuela school|estudiantes student
cita appointment|plazo deadline|queja complaint|respuesta answer|inscribir register|socio member|tarjeta card|libros book
libro book|basura waste|agua water|luz electricity|reparación repair|fianza deposit|llave key|puerta door|contraseña password
cuenta account|datos data|borrar delete|guardar store|guardan store|aparcar park|equipaje luggage|retraso delay|tarde late
visita visit|pedido order|paquete parcel|alquiler rent|seguro insurance|entrada admission|noche night|lavado wash|invitados guest
normale normal|wartezeit wait|freigabe approval|erwachsener adult|erwachsene adult|unterschreiben sign|unterschrift signature
wert value|versicherungswert insure|stornogebühr cancel|mindestalter age|alter age|jahren year|geld money|bar cash|zeit time
geöffnete open|samstag saturday|sonntag sunday|montag monday|morgen morning|abend evening|werden be|zurückgeben return|behalten keep
bezahlt pay|anzahlung deposit|umtausch exchange|garantie warranty|schaden damage|verlust lose|verloren lose|schwimmen swim
carrito buggy|bebé baby|museo museum|parte part|entrar enter|edad age|dinero money|tiempo time|sábado saturday|domingo sunday
lunes monday|mañana morning|garantía warranty|daño damage|perder lose|perdido lose|cambio exchange|recoger collect|peso weight
equipaje luggage|vuelo flight|billete ticket|tren train|mascota pet|gato cat|familia family|adultos adult|adulto adult
""".replace("\n", "|")

FOREIGN: dict[str, str] = dict(tuple(pair.split()) for pair in _FOREIGN.split("|") if pair.strip())  # type: ignore[misc]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return ``word`` lower-cased without its commonest English endings; two forms of one word mostly agree."""
    word = word.lower().replace("’", "'")
    if word.endswith("'s"):
        word = word[:-2]
    word = _IRREGULAR.get(word, word)
    if len(word) < 4 or not word.isascii():
        return word
    return _without_ending(word)


def _without_ending(word: str) -> str:
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ations", "ation", "ements", "ement", "ingly", "edly", "ing", "ed", "ly", "ment"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 4 and word[-1] in "ey":
        word = word[:-1] + ("i" if word[-1] == "y" else "")
    return word


def words(text: str) -> list[str]:
    """Return the words of ``text`` as written."""
    return _WORD.findall(text)


def stems(text: str) -> list[str]:
    """Return the stems of the words of ``text`` that carry meaning, in order."""
    found = []
    for word in _WORD.findall(text.lower()):
        plain = word.replace("’", "'")
        if plain in STOP or plain.split("'")[0] in STOP:
            continue
        found.append(stem(FOREIGN.get(plain, plain)))
    return found


def _build_related() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for line in _GROUPS.strip().splitlines():
        group = {stem(word) for word in line.split()}
        for word in group:
            table.setdefault(word, set()).update(group - {word})
    return {word: frozenset(others) for word, others in table.items()}


_RELATED = _build_related()
_NONE: frozenset[str] = frozenset()


def related(word: str) -> frozenset[str]:
    """Return stems that mean about the same as the stem ``word``."""
    return _RELATED.get(word, _NONE)


def deletions(word: str) -> list[str]:
    """Return ``word`` and what is left of it with one letter removed: two words sharing one differ by one slip."""
    return [word, *(word[:index] + word[index + 1 :] for index in range(len(word)))]
