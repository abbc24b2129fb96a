"""What a prompt asks for, read from its own words.

Each feature is a table of rules. A rule is a set of patterns that must all occur in one sentence, so that paraphrases
nobody listed are recognised too. Of several sentences about one feature the last one wins.
"""

# ruff: noqa: E501 - tables of patterns and words read better unbroken

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

__all__ = ["Features", "mentions_feature", "read_features"]

_SOURCE = (
    r"(?:context|documents?|text|passages?|excerpts?|polic(?:y|ies)|materials?|sources?|above|below|provided|given|"
    r"supplied|extracts?|information|facts?|article|handbook|page|in front of you|rules|terms|what it says|kontext)"
)
_UNKNOWN = (
    r"(?:not (?:be )?(?:stated?|found|there|given|mentioned|covered|contain\w*|answered|present|said|specified|in\b|"
    r"included|available|clear|settled|addressed|tell|say|known|sure|certain|an answer)|does(?: not|n't) (?:\w+ )?"
    r"(?:say|state|contain|mention|answer|cover|tell|give|hold|settle|address|include|know|have|provide|specify)|"
    r"do(?: not|n't) (?:know|find|have|contain|see)|(?:cannot|can't|can not) (?:be )?(?:find|found|answer|tell|see|know)|"
    r"isn't (?:there|stated|in|given|covered|mentioned)|is silent|says nothing|no answer|absent|missing|"
    r"lacks?|unanswerable|unknown|unsure|nothing (?:is|about|on)|without an answer|unstated|not answer|fails to)"
)
_SAYING = (
    r"(?:say|reply|answer|respond|write|return|state|admit|tell|output|use|set|put|abstain|decline|refuse|null|guess|"
    r"leave|give)"
)

Rule = tuple[re.Pattern[str], ...]


def _rules(*rows: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(tuple(re.compile(rf"(?<!\w){pattern}", re.IGNORECASE) for pattern in row) for row in rows)


_NOT = r"(?:do not|don't|never|avoid|without|must not|no|refrain from|not to|should not|shouldn't)"

_ON: dict[str, tuple[Rule, ...]] = {
    "grounded": _rules(
        (
            r"(?:only|solely|exclusively|strictly|purely|entirely|nothing but|no more than|alone|limited to|just)\b",
            _SOURCE,
        ),
        (
            rf"{_NOT}\b",
            r"(?:outside|other|own|general|prior|external|world|background|beyond|else)\b",
            r"(?:knowledge|information|sources?|facts?|memory|context|text|document|passage|it|what)\b",
        ),
        (
            rf"{_NOT}\b",
            r"(?:add|invent|make up|making up|assume|assuming|fabricate|hallucinate|bring in|import|supplement)\b",
        ),
        (r"(?:stick|stay|keep|confine|restrict|limit|restricted|confined)\b", r"(?:to|within|with)\b", _SOURCE),
        (
            r"(?:base|based|ground|grounded|rely|draw|take|derive|derived|supported|backed)\b",
            r"(?:on|in|from|by)\b",
            _SOURCE,
        ),
        (
            r"(?:everything|every (?:fact|claim|word|statement)|all (?:facts|claims))\b",
            r"(?:must|should|has to|come|comes)\b",
            _SOURCE,
        ),
    ),
    "abstain": _rules(
        (r"(?:if|when|where|whenever|unless|should|in case|for questions|otherwise|anything)\b", _UNKNOWN, _SAYING),
        (rf"{_NOT}\b", r"guess\w*"),
        (r"(?:rather than|instead of|over)\b", r"guess\w*"),
        (r"(?:abstain|decline)\b", r"(?:if|when|unless|rather|questions?)\b"),
        (r"(?:unanswerable|unanswered)\b", _SAYING),
        (
            r"(?:say|admit|reply|answer)\b.{0,30}\b(?:you do(?: not|n't) know|so\b|it is not|not stated|not in)",
            r"(?:if|when|where|unless|otherwise)\b",
        ),
        (
            r"(?:null|none|empty)\b",
            r"(?:absent|missing|not (?:in|stated|given|there|mentioned|present|found)|unknown|without|"
            r"does(?: not|n't)|lacks?|isn't)",
        ),
    ),
    "brief": _rules(
        (
            r"(?:brief(?:ly)?|concise(?:ly)?|terse(?:ly)?|succinct(?:ly)?|short(?:est)?|crisp|compact|to the point|laconic)\b",
        ),
        (
            r"(?:one|a single|two|1|2|three|few|fewer than \w+|at most \w+|under \w+|no more than \w+|up to \w+)\b",
            r"(?:sentences?|words?|phrases?|lines?)\b",
        ),
        (
            r"(?:nothing (?:else|more)|no (?:extra|more|further|additional|unnecessary)|only the (?:answer|value|figure|fact)|"
            r"just the (?:answer|value|figure|fact)|no padding|no filler|no preamble|without (?:padding|preamble|elaborat\w+))",
        ),
        (
            rf"{_NOT}\b",
            r"(?:ramble|elaborate|elaboration|elaborating|pad|repeat the question|digress|explain|explanations?)\b",
        ),
        (
            r"(?:keep|make) (?:it|your (?:answer|reply|response)|answers|replies)\b",
            r"(?:short|small|tight|minimal|down)\b",
        ),
        (r"(?:few|fewest|little|minimal|minimum)\b", r"(?:words?|text|length)\b"),
    ),
    "json": _rules(
        (r"json\b",),
        (r"\{\s*\"\w+\"\s*:",),
        (r"(?:object|dictionary|mapping|structure)\b", r"(?:keys?|fields?|properties|members)\b"),
        (r"(?:machine[- ]readable|parseable|parsable)\b",),
        (r"curly (?:braces|brackets)\b",),
    ),
    "cite": _rules(
        (
            r"(?:never|do not|don't|must not)\b",
            r"(?:omit|drop|forget|leave out|skip|miss)\b",
            r"(?:sections?|clauses?|paragraphs?|citations?|sources?)\b",
        ),
        (
            r"(?:cite|cites|citing|citation|quote|reference|refer to|credit)\b",
            r"(?:sections?|paragraphs?|clauses?|numbers?|sources?|headings?|passages?|it|where|articles?|part)\b",
        ),
        (r"(?:cite|citations?)\b",),
        (
            r"(?:name|give|state|include|add|mention|say|tell|provide|append|indicate|note|put|show|report|point (?:to|out)|with|"
            r"specify|list|identify)\b",
            r"(?:(?:the|its|their|which|what|relevant|a|matching|supporting) )*(?:section|clause|paragraph|heading)s?\b",
        ),
        (r"(?:square brackets|bracketed)\b", r"(?:section|number|label|source|clause|paragraph)s?\b"),
        (r"(?:where|which part)\b", r"(?:comes? from|found|stands?|taken|stated|supports?|it says)\b"),
    ),
    "steps": _rules(
        (r"step[- ]by[- ]step\b",),
        (
            r"(?:show|explain|give|write|lay out|spell out|walk (?:me )?through|set out)\b",
            r"(?:reasoning|working|work|thinking|thoughts?|steps|how you (?:got|arrived|reached|found))\b",
        ),
        (r"(?:think|reason|work)\b", r"(?:carefully|aloud|through|first|out loud|before)\b"),
        (r"(?:one step at a time|in steps|numbered steps|chain of thought|stepwise)\b",),
        (
            r"(?:before (?:answering|you answer|giving|the (?:final )?answer))\b",
            r"(?:reason|think|list|explain|find|note|quote)\b",
        ),
    ),
    "polite": _rules(
        (
            r"(?:polite(?:ly)?|courteous(?:ly)?|friendly|kind(?:ly)?|warm(?:ly)?|respectful(?:ly)?|gracious(?:ly)?|cordial(?:ly)?)\b",
        ),
        (r"(?:greet|greeting|salutation|thank|thanks)\b",),
        (r"(?:good manners|well-mannered|nice(?:ly)?|pleasant(?:ly)?|personable|hospitable)\b",),
        (r"(?:customer|client|user|reader)\b", r"(?:welcome|valued|by name|appreciat\w+)\b"),
        (
            r"(?:offer|close with|end with|finish with)\b",
            r"(?:further help|more help|assistance|a kind word|best wishes|regards)\b",
        ),
    ),
    "iso_date": _rules(
        (r"(?:iso(?: |-)?8601|iso date|iso format|yyyy-mm-dd)",),
        (r"dates?\b", r"(?:year[- ]month[- ]day|year first|iso|\d{4}-\d\d-\d\d)"),
        (r"\d{4}-\d\d-\d\d",),
    ),
    "number": _rules(
        (
            r"(?:amount|sum|total|price)s?\b",
            r"(?:number|numeric\w*|decimals?|float|digits|without (?:a |the )?(?:currency|symbol))\b",
        ),
        (r"(?:numeric|plain number|bare number|as a number)\b",),
    ),
    "iso_currency": _rules(
        (r"(?:iso(?: |-)?4217|three[- ]letter|3[- ]letter|currency code|iso code)",),
        (r"currenc(?:y|ies)\b", r"(?:code|EUR|USD|GBP|abbreviat\w+)\b"),
    ),
    "newest": _rules(
        (
            r"(?:ignore|disregard|skip|leave out|not from|never from|do not (?:read|use)|don't use|except|exclude)\b",
            r"(?:quoted|earlier|older|previous|thread|forwarded|history)\b",
        ),
        (r"(?:only|just)\b", r"(?:newest|latest|most recent|top|last) (?:message|mail|e-mail|email|letter|reply)\b"),
        (r"(?:newest|latest|topmost|most recent)\b", r"(?:message|mail|e-mail|email|letter|reply)\b"),
    ),
    "total": _rules(
        (
            r"(?:total|grand total|claimed|asked for|requested|due|at stake|in question|final)\b",
            r"(?:amount|sum|figure|money|price)s?\b",
        ),
        (r"(?:amount|sum)\b", r"(?:sender|writer|asks?|wants?|refund\w*|pay\w*|owed)\b"),
        (r"(?:not|never|ignore)\b", r"(?:subtotals?|line items?|single items?|parts|other (?:figures|amounts))\b"),
    ),
}

_OFF: dict[str, tuple[Rule, ...]] = {
    "grounded": _rules(
        (
            r"(?:may|can|feel free|free to|allowed|also|welcome)\b",
            r"(?:general knowledge|own knowledge|world knowledge|what you (?:already )?know|background knowledge|outside)\b",
        ),
        (
            r"(?:use|draw on|rely on|add|include|apply)\b(?! only)",
            r"(?:your )?(?:own|general|world|background) knowledge\b",
        ),
    ),
    "abstain": _rules(
        (r"(?:always|must always|in every case|whatever happens)\b", r"(?:answer|reply|give|provide|help)\b"),
        (r"(?:best guess|good guess|educated guess|make a guess|take a guess|estimate)\b",),
        (
            r"(?:never|do not|don't)\b",
            r"(?:refuse|decline|abstain|say (?:that )?you (?:do not|don't) know|leave .{0,20}(?:open|empty))\b",
        ),
    ),
    "brief": _rules(
        (
            r"(?:in detail|detailed|thorough(?:ly)?|at length|comprehensive(?:ly)?|exhaustive(?:ly)?|elaborate answers?|"
            r"full explanation|as much as possible|in depth|long answers?)\b",
        ),
    ),
    "json": _rules(
        (r"(?:plain text|plain prose|as prose|in prose|in plain (?:english|words)|free text)\b",),
    ),
    "cite": (),
    "steps": _rules((r"(?:only|just) (?:give |write |return )?the (?:final )?answer\b",)),
    "polite": _rules((r"(?:no (?:greetings?|pleasantries|small talk)|curt|blunt(?:ly)?|neutral tone)\b",)),
    "iso_date": (),
    "number": (),
    "iso_currency": (),
    "newest": (),
    "total": (),
}

_NEGATOR = re.compile(
    r"(?:\bdo not|\bdon't|\bnever|\bno need to|\bno\b|\bavoid|\bwithout|\bskip|\bomit|\bleave out|\bnot to|\bneed not|"
    r"\bstop|\bdrop|\bnot\b|\bforget|\brather than)(?: \w+){0,2} ?$",
    re.IGNORECASE,
)
_NEGATABLE = frozenset({"json", "cite", "steps", "polite", "brief", "iso_date", "number", "iso_currency"})
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+\s*(?:[-*•]|\d+[.)])?\s*")
_QUOTED = re.compile(r"[\"“'‘`]([^\"”'’`\n]{2,80})[\"”'’`]")
_KEYED = re.compile(r"[\"“'`](\w{1,40})[\"”'`]\s*:")
_KEYLIST = re.compile(
    r"\b(?:keys?|fields?|properties|members|attributes)\b[^.:\n]{0,40}?[: ]\s*((?:[\"“'`]?\w+[\"”'`]?(?:\s*\([^)]*\))?(?:,| and|, and| &|\s)+)+[\"“'`]?\w+)",
    re.IGNORECASE,
)
_BULLET_KEY = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*[\"“'`*]*(\w{2,30})[\"”'`*]*\s*(?::|-|–|=|\()", re.MULTILINE)
_NOT_KEYS = frozenset(
    [
        "and",
        "the",
        "a",
        "an",
        "with",
        "these",
        "those",
        "following",
        "only",
        "keys",
        "key",
        "fields",
        "field",
        "in",
        "of",
        "as",
        "json",
        "object",
        "exactly",
        "are",
        "is",
        "called",
        "named",
        "one",
        "each",
        "for",
        "every",
        "value",
        "values",
        "string",
        "number",
        "or",
        "null",
    ]
)
_LANGUAGE = re.compile(
    r"\b(?:(?:answer|reply|respond|write|antworte\w*|responde\w*|contesta\w*|speak|use|output|be|in|auf|en)\b[^.\n]{0,40}?)"
    r"\b(?P<name>english|german|spanish|deutsch|español|espanol|englisch|inglés|alemán|"
    r"(?:the )?(?:same )?language (?:of|as|in which|the) )",
    re.IGNORECASE,
)
_LANGUAGE_CODES = {
    "english": "en", "englisch": "en", "inglés": "en", "german": "de", "deutsch": "de", "alemán": "de",
    "spanish": "es", "español": "es", "espanol": "es",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Features:
    """What the instructions ask for.

    ``keys`` are the JSON keys named, in order; ``phrase`` what to say when the answer is not there; ``language`` an
    ISO code, ``question`` for the question's own, or None where nothing is said.
    """

    grounded: bool = False
    abstain: bool = False
    brief: bool = False
    json: bool = False
    cite: bool = False
    steps: bool = False
    polite: bool = False
    iso_date: bool = False
    number: bool = False
    iso_currency: bool = False
    newest: bool = False
    total: bool = False
    keys: tuple[str, ...] = ()
    phrase: str | None = None
    language: str | None = None
    kinds: tuple[str, ...] = field(default=())


def _matches(rules: tuple[Rule, ...], sentence: str) -> int | None:
    for rule in rules:
        found = [pattern.search(sentence) for pattern in rule]
        if all(found):
            return min(match.start() for match in found if match)
    return None


def _stance(name: str, sentence: str) -> bool | None:
    """Return whether ``sentence`` asks for the feature, asks for its contrary, or says nothing about it."""
    off = _matches(_OFF[name], sentence)
    if off is not None:
        return False
    start = _matches(_ON[name], sentence)
    if start is None:
        return None
    return not (name in _NEGATABLE and _negated(sentence[:start]))


def _negated(before: str) -> bool:
    count = 0
    while found := _NEGATOR.search(before):
        count += 1
        before = before[: found.start()]
    return count % 2 == 1


_IMPERATIVE = re.compile(
    r"^\W*(?:\d+[.)]\s*)?(?:please|kindly|answer|reply|respond|return|use|cite|give|keep|if|when|do not|don't|only|be|write|output|think|"
    r"remember|never|always|quote|name|state|say|base|stick|show|explain|make|your (?:answer|reply)|the (?:answer|reply)|antworte\w*|responde\w*|"
    r"abstain|greet|format|in (?:json|german|spanish|english)|no)\b",
    re.IGNORECASE,
)
_SPOKEN = ("grounded", "abstain", "brief", "json", "cite", "steps", "polite")


def mentions_feature(text: str) -> bool:
    """Return whether ``text`` opens like an instruction and asks for something the model understands."""
    if not _IMPERATIVE.match(text):
        return False
    return any(_stance(name, text) is not None for name in _SPOKEN) or bool(_LANGUAGE.search(text))


@lru_cache(maxsize=256)
def read_features(instructions: str) -> Features:
    """Return what ``instructions`` ask for; later sentences win over earlier ones."""
    stances: dict[str, bool] = {}
    phrase: str | None = None
    language: str | None = None
    for sentence in filter(None, (part.strip() for part in _SENTENCE.split(instructions))):
        for name in _ON:
            stance = _stance(name, sentence)
            if stance is not None:
                stances[name] = stance
        if _stance("abstain", sentence):
            phrase = _phrase(sentence) or phrase
        language = _language(sentence) or language
    found = Features(phrase=phrase, language=language, kinds=_kinds(instructions), **stances)  # type: ignore[arg-type]
    return replace(found, keys=_keys(instructions)) if found.json else found


def _phrase(sentence: str) -> str | None:
    quoted = [text for text in _QUOTED.findall(sentence) if " " in text or text.lower() in {"unknown", "unanswerable"}]
    return quoted[-1].strip() if quoted else None


def _language(sentence: str) -> str | None:
    found = _LANGUAGE.search(sentence)
    if not found:
        return None
    return _LANGUAGE_CODES.get(found["name"].lower(), "question")


def _keys(text: str) -> tuple[str, ...]:
    named = _KEYED.findall(text)
    if not named:
        for listed in _KEYLIST.findall(text):
            plain = re.sub(r"\([^)]*\)", "", listed)
            named += [word for word in re.findall(r"\w+", plain) if word.lower() not in _NOT_KEYS]
    if not named:
        named = _BULLET_KEY.findall(text)
    return tuple(dict.fromkeys(named))


_KIND_LIST = re.compile(
    r"\b(?:kind|type|category|intent|class|label)\b[^.\n]{0,60}?(?::|one of|among|is|be|\()\s*"
    r"((?:[\"'`]?[a-z]+(?:_[a-z]+)*[\"'`]?\s*(?:,|\||/|or|and)[\s]*)+(?:or |and )?[\"'`]?[a-z]+(?:_[a-z]+)*)",
    re.IGNORECASE,
)


def _kinds(text: str) -> tuple[str, ...]:
    found = _KIND_LIST.search(text)
    if not found:
        return ()
    listed = re.findall(r"[a-z]+(?:_[a-z]+)*", found[1], re.IGNORECASE)
    return tuple(dict.fromkeys(word for word in listed if word.lower() not in {"or", "and", "one", "of"}))
