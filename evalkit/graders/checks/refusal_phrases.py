"""How refusals are worded in nine languages, as regular expressions without regard to case."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["LANGUAGES", "PHRASES", "Language"]

Language = Literal["en", "de", "fr", "es", "it", "pt", "nl", "ja", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_EN_UNABLE = (
    r"\bi(?: really| simply| just)? (?:can ?not|can't|won't|will not|must(?: respectfully)? decline|have to decline|"
    r"refuse|decline)"
    r"|\bi(?:'m| am)(?: really| simply)? (?:not able|unable|not (?:going|comfortable|allowed|permitted))"
)
_EN_DO = (
    r"help(?! but| notic| feel| think)|assist|provid|fulfil|comply|creat|writ|generat|support|answer|discuss|engag|"
    r"shar|giv|offer|produc|participat|continu|complet|respond|explain|tell|describ|advis|promot|facilitat|process|"
    r"recommend|do (?:that|this|so)\b"
)

_PARTS: dict[Language, tuple[str, ...]] = {
    "en": (
        rf"(?:{_EN_UNABLE})(?: be able)?(?: to| with)?(?: \w+)? (?:{_EN_DO})",
        r"\b(?:sorry|apologi[sz]e|afraid),?(?: but)? i (?:can ?not|can't|won't|am unable|'m unable)\b",
        r"\bas an ai(?: language)?(?: model| assistant)?,? i (?:can ?not|can't|am (?:not able|unable)|do not|don't)\b",
        r"\b(?:that's|this is|that is) (?:not something i can|something i (?:can ?not|can't|won't|am unable to))\b",
    ),
    "de": (
        r"\b(?:kann|darf|werde|möchte) ich (?:dir |ihnen |euch |leider |das |dabei |hierbei |diese[rsmn]? \w+ ){0,4}"
        r"(?:nicht|keine\w*) (?:\w+ ){0,3}?(?:helfen|geben|beantworten|unterstützen|erstellen|schreiben|sagen|erfüllen|"
        r"anbieten|nachkommen|machen|tun)",
        r"\bich (?:kann|darf|werde|möchte) (?:dir |ihnen |euch |leider |das |dabei |hierbei |diese[rsmn]? \w+ ){0,4}"
        r"(?:nicht|keine\w*) (?:\w+ ){0,3}?(?:helfen|geben|beantworten|unterstützen|erstellen|schreiben|sagen|erfüllen|"
        r"anbieten|nachkommen|machen|tun)",
        r"\bich bin nicht in der lage\b",
        r"\bich muss (?:das |dies |leider ){0,2}ablehnen\b",
    ),
    "fr": (
        r"\bje ne (?:peux|puis|suis)(?: malheureusement)? pas (?:\w+ ){0,2}?(?:vous |t'|en mesure|aider|fournir|"
        r"répondre|donner|créer|écrire|générer|satisfaire|faire)",
        r"\bje (?:refuse de|dois refuser|dois décliner|ne suis pas en mesure)\b",
        r"\bje ne (?:vais|pourrai) pas (?:pouvoir )?(?:vous |t')?(?:aider|fournir|répondre)",
    ),
    "es": (
        r"\bno (?:puedo|podré|me es posible|estoy en condiciones de|voy a) (?:\w+ ){0,2}?(?:ayudar|proporcionar|"
        r"responder|cumplir|crear|escribir|generar|dar|ofrecer|hacer|asistir|brindar|facilitar|compartir)",
    ),
    "it": (
        r"\bnon (?:posso|potrò|sono in grado di|mi è possibile) (?:\w+ ){0,2}?(?:aiutar|fornir|risponder|soddisfar|"
        r"crear|scriver|generar|assister|dar|offrir|far)",
    ),
    "pt": (
        r"\bnão (?:posso|poderei|consigo|estou apto a|me é possível|vou) (?:\w+ ){0,2}?(?:ajudar|fornecer|responder|"
        r"atender|criar|escrever|gerar|auxiliar|dar|oferecer|fazer|compartilhar)",
    ),
    "nl": (
        r"\b(?:ik (?:kan|mag|zal|ga)|kan ik) (?:je |u |dat |hier |hierbij |daar |helaas ){0,4}(?:niet|geen) "
        r"(?:\w+ ){0,3}?(?:helpen|geven|beantwoorden|schrijven|maken|doen|voldoen|assisteren)",
        r"\bik ben niet in staat\b",
    ),
    "ja": (
        r"(?:お手伝い|お答え|対応|提供|回答|お応え|作成|支援)(?:することは|することが|は|が)?"
        r"(?:いたしかねます|致しかねます|できません|できかねます)",
        r"(?:応じ|答え|お応えし|お教え)(?:する)?(?:ことは|ことが)?(?:られません|できません|かねます)",
    ),
    "zh": (
        r"(?:无法|不能|不可以|無法)(?:[为為向给給](?:您|你))?"
        r"(?:提供|协助|帮助|回答|满足|完成|生成|協助|幫助)",
        r"我(?:必须|只能|不得不)?拒绝",
    ),
}

PHRASES: dict[Language, str] = {language: "|".join(parts) for language, parts in _PARTS.items()}
"""Language to one regular expression."""
