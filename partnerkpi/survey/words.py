"""Words that exports use, in English, French, German, Spanish, some Italian and Dutch: columns, outcomes, channels."""

from __future__ import annotations

import re
import unicodedata

#: Words of a row that sums up others.
TOTAL = re.compile(
    r"\b(sub ?total|grand total|totals?|sum|summe|gesamt|gesamtsumme|zwischensumme|sous total|total general|suma)\b"
)

#: Spellings of each column of a table, the most certain first; compared without capitals, accents, spaces and marks.
ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    "deals": {
        "deal_id": (
            "deal id", "opportunity id", "record id", "id", "deal number", "opportunity number", "order number",
            "sales order number", "order id", "external id", "deal no", "opportunity no", "reference", "ref",
            "n opportunite", "id opportunite", "identifiant", "numero", "numero affaire", "reference affaire",
            "opportunity ref", "id de fiche d'informations", "dealnummer", "id opportunita", "auftragsnummer",
            "verkaufschance id", "vorgangsnummer", "angebotsnummer", "nr",
            "id oportunidad", "numero de oportunidad", "id de negocio", "quote number", "mql id",
        ),
        "name": (
            "deal name", "opportunity name", "opportunity", "name", "title", "topic", "deal", "nom",
            "nom de l'affaire", "nom de l'opportunite", "nom de la transaction", "affaire", "intitule",
            "bezeichnung", "titel",
            "verkaufschance", "nombre", "nombre del negocio", "oportunidad", "titulo", "naam", "nome opportunita",
        ),
        "created_on": (
            "created on", "created date", "create date", "created", "created time", "date created", "creation date",
            "created at", "opened on", "open date", "engage date", "add time", "deal created",
            "entered on", "order date", "date de creation", "cree le", "creation", "date creation", "erstellt",
            "erstellt am", "erstelldatum", "angelegt am", "anlagedatum", "erfasst am", "deal erstellt",
            "erstellungsdatum", "fecha de creacion", "creado",
            "creado el", "fecha creacion", "first contact date", "data creazione", "data di creazione", "creato il",
            "aangemaakt op", "aanmaakdatum", "data de criacao", "criado em",
        ),
        "closed_on": (
            "closed on", "close date", "closed date", "actual close date", "date closed", "closing date", "closed",
            "won date", "closed at", "decision date", "date de cloture", "cloture", "cloture le",
            "date cloture", "date de fermeture", "abgeschlossen am", "abschlussdatum", "abschluss", "geschlossen am",
            "schlusstermin", "schliessdatum", "data chiusura", "data di chiusura", "chiuso il", "gesloten op",
            "sluitingsdatum", "data de fechamento", "fechado em",
            "fecha de cierre", "fecha cierre", "cerrado el", "cierre",
        ),
        "expected_close_on": (
            "expected close date", "expected close", "est close date", "estimated close date", "expected closing",
            "forecast date", "expected close on", "date de cloture prevue", "cloture prevue", "date prevue",
            "erwarteter abschluss", "erwartetes abschlussdatum", "voraussichtlicher abschluss", "abschluss geplant",
            "fecha de cierre prevista",
            "cierre previsto", "fecha prevista",
        ),
        "status": (
            "status", "deal status", "state", "outcome", "result", "statut", "etat", "resultat", "estado", "resultado",
            "ergebnis", "won lost", "stato",
        ),
        "stage": (
            "stage", "deal stage", "stage name", "sales stage", "pipeline stage", "pipeline phase", "phase", "etape",
            "stade", "verkaufsphase", "vertriebsphase", "etapa", "fase", "opportunity stage", "deal phase",
            "phase de la transaction", "etape de la transaction", "fase opportunita",
        ),
        "amount": (
            "amount", "deal amount", "deal value", "value", "close value", "amount converted", "total", "total value",
            "net amount", "sales amount", "revenue", "price", "contract value", "order value", "montant",
            "montant ht", "chiffre d'affaires", "valeur", "betrag", "wert", "auftragswert", "umsatz", "volumen",
            "importe", "monto", "valor", "actual revenue", "est revenue", "amount eur", "amount usd", "amount gbp",
            "importo", "bedrag",
        ),
        "currency": (
            "currency", "amount currency", "deal currency", "currency code", "opportunity currency", "devise",
            "wahrung von wert", "valuta", "monnaie", "wahrung", "waehrung", "moneda", "divisa", "currency iso code",
        ),
        "partner_id": (
            "partner id", "partner", "partner name", "reseller", "reseller key", "reseller name", "reseller id",
            "partner account", "channel partner", "distributor", "dealer", "assigned partner", "referral partner",
            "agency", "partenaire", "revendeur", "distributeur", "vertriebspartner", "handler", "haendler",
            "wiederverkaufer", "partnerfirma", "partneraccount", "socio", "distribuidor", "revendedor",
            "partner company",
        ),
        "customer": (
            "customer", "account", "account name", "customer name", "company", "organization", "organisation",
            "client", "potential customer", "associated company", "primary associated company", "party",
            "end customer", "societe", "compte", "kunde", "firma", "cliente", "empresa", "deal organization",
            "accountname",
            "entreprise associee", "klant",
        ),
        "rep": (
            "rep", "owner", "opportunity owner", "deal owner", "sales agent", "salesperson", "sales rep",
            "account manager", "responsible", "seller", "commercial", "vendeur", "proprietaire", "verkaufer",
            "vertriebsmitarbeiter", "zustandig", "besitzer", "inhaber", "opportunity inhaber",
            "proprietaire de la transaction", "eigenaar", "proprietario", "propietario", "vendedor", "comercial",
            "sales representative", "assigned to", "user", "employee key",
        ),
        "unit": (
            "unit", "team", "sales team", "department", "regional office", "office", "business unit", "equipe",
            "agence", "abteilung", "niederlassung", "equipo", "departamento",
        ),
        "region": ("region", "territory", "area", "gebiet", "pays", "country", "land", "pais", "sales territory",
                   "sales territory key"),
        "product": ("product", "product name", "products", "produit", "produkt", "artikel", "producto"),
        "channel": (
            "channel", "lead source", "source", "origin", "source channel", "marketing channel", "campaign source",
            "original source", "original traffic source", "canal", "origine", "herkunft", "quelle", "leadquelle",
            "origen", "fuente", "medium",
        ),
        "reason": (
            "reason", "lost reason", "loss reason", "closed lost reason", "reason for loss", "reason lost",
            "deal lost reason", "motif de perte", "raison de perte", "raison", "verlustgrund", "grund",
            "motivo de perdida", "motivo",
        ),
        "competitor": ("competitor", "main competitor", "main competitors", "concurrent", "wettbewerber", "mitbewerber",
                       "competidor"),
        "registered_on": ("registered on", "registration date", "deal registration date", "registered",
                          "date d'enregistrement", "registriert am", "fecha de registro"),
        "accepted_on": ("accepted on", "acceptance date", "approval date", "approved on", "accepte le", "genehmigt am",
                        "aceptado el"),
        "sourced": ("sourced", "sourced by", "deal origin", "originated by"),
        "lead_id": ("lead id", "originating lead", "lead"),
    },
    "history": {
        "deal_id": ("deal id", "opportunity id", "opp id", "opportunity", "deal", "record id", "parent id",
                    "opportunityid", "oppid"),
        "changed_at": ("changed at", "changed on", "created date", "edit date", "change date", "modified", "date",
                       "timestamp", "last modified", "last modified date", "start date", "entered at"),
        "stage": ("stage", "stage name", "new stage", "to stage", "new value"),
        "status": ("status", "new status"),
        "amount": ("amount", "new amount"),
        "expected_close_on": ("close date", "expected close date", "expected close on"),
        "partner_id": ("partner id", "partner"),
        "recorded_at": ("recorded at", "recorded on"),
    },
    "partners": {
        "partner_id": ("partner id", "partner", "id", "reseller key", "reseller id", "partner key", "account id",
                       "partner name", "reseller"),
        "name": ("name", "partner name", "reseller name", "company", "account name", "nom", "firma", "nombre"),
        "type": ("type", "partner type", "business type", "typ", "tipo"),
        "tier": ("tier", "level", "partner level", "niveau", "stufe", "nivel", "status"),
        "region": ("region", "state", "state province name", "territory", "area"),
        "country": ("country", "country region", "land", "pays", "pais"),
        "manager": ("manager", "partner manager", "channel manager", "account manager", "owner"),
        "joined_on": ("joined on", "joined", "start date", "partner since", "member since", "seit", "depuis"),
        "left_on": ("left on", "left", "end date"),
        "commission_rate": ("commission rate", "commission", "provision", "comision", "margin"),
    },
    "leads": {
        "lead_id": ("lead id", "id", "mql id", "record id", "lead number"),
        "created_on": ("created on", "created date", "create date", "created", "first contact date", "date created",
                       "created time", "created at"),
        "partner_id": ("partner id", "partner", "reseller"),
        "status": ("status", "lead status"),
        "closed_on": ("closed on", "close date", "converted date"),
        "channel": ("channel", "lead source", "origin", "source", "utm source"),
        "region": ("region", "country", "territory"),
        "product": ("product",),
    },
    "spend": {"channel": ("channel", "source", "campaign source"), "month": ("month", "date", "period"),
              "amount": ("amount", "spend", "cost", "budget"), "partner_id": ("partner id", "partner"),
              "currency": ("currency",)},
    "targets": {"quarter": ("quarter",), "amount": ("amount", "target", "quota"),
                "partner_id": ("partner id", "partner"),
                "rep": ("rep", "owner"), "unit": ("unit", "team"), "measure": ("measure",)},
    "rates": {"currency": ("currency", "from currency", "iso code", "code"), "date": ("date", "day", "valid from"),
              "rate": ("rate", "exchange rate", "conversion rate")},
    "channels": {"channel": ("channel", "source"), "media": ("media", "media type")},
    "touches": {"deal_id": ("deal id", "opportunity id"), "lead_id": ("lead id",), "channel": ("channel", "source"),
                "touched_at": ("touched at", "date", "timestamp")},
}  # fmt: skip

#: Words inside a column's name that, together with what it holds, make a guess; never by themselves.
HINTS: dict[str, tuple[str, ...]] = {
    "amount": ("amount", "revenue", "value", "montant", "betrag", "umsatz", "importe", "wert", "price", "total"),
    "partner_id": ("partner", "reseller", "distributor", "revendeur", "partenaire", "distribuidor", "handler"),
    "deal_id": ("id", "number", "nummer", "key", "ref", "no", "nr", "numero"),
    "currency": ("currency", "devise", "wahrung", "moneda"),
}

#: Words of a status or stage, by what they mean.
OUTCOMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ignore", re.compile(
        r"\b(deleted|geloscht|supprime|eliminado)\b|^test(s| (deal|entry|record|data|opportunity))?$")),
    ("rejected", re.compile(
        r"\b(rejected|refused|declined|disqualified|duplicate|abgelehnt|refusee?|rechazad[oa]|recusad[oa])\b")),
    ("abandoned", re.compile(
        r"\b(cancell?ed|abandoned|no decision|aufgegeben|abgebrochen|storniert|annulee?|abandonnee?|cancelad[oa]|dead|"
        r"annullat[oa]|geannuleerd)\b")),
    ("lost", re.compile(r"\b(lost|closedlost|loss|verloren|perdue?|perdid[oa]|out ?sold|pers[oa])\b")),
    ("won", re.compile(r"\b(won|closedwon|gewonnen|gagnee?|ganad[oa]|win|signe|vint[oa]|ganh[oa])\b")),
    ("open", re.compile(
        r"\b(open|in progress|on hold|engaging|offen|en cours|ouverte?|abiert[oa]|en curso|laufend|prospecting|"
        r"qualif\w*|negotiation\w*|proposal|proposition|needs analysis|demo|discovery|contact made|nouveau|nouvelle|"
        r"new|lead|opportunity|appointmentscheduled|qualifiedtobuy|presentationscheduled|angebot|"
        r"verhandlung|qualifizierung|negociation|propuesta|negociacion|decisionmakerboughtin|contractsent|"
        r"value proposition|perception analysis|decision makers?|presentation|contract sent|interessent|apert[oa]|"
        r"in corso|abert[oa])\b")),
)  # fmt: skip

#: Words that turn what stands beside them: a verbal win is none yet, and who lost contact has not lost the deal.
TURNED: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"\b(not|never|nicht|kein\w*|pas|non|niet|no) ((yet|noch|encore) )?"
        r"(won|lost|win|gewonnen|verloren|gagnee?|perdue?|ganad[oa]|perdid[oa]|vint[oa]|pers[oa]|open|qualif\w*)\b"
    ),
    re.compile(
        r"\b(verbal\w*|mundlich\w*|oral|almost|likely|pending|awaiting|expected) ([a-z]+ )?(win|won|loss|lost)\b"
    ),
    re.compile(r"\b(win|won|lost|loss|gewonnen) (pending|likely|expected|contact|back)\b|\bqualified out\b"),
)
#: Who said no: the customer, then the deal is lost; or the vendor to its registration, then it is rejected.
WHO_SAID_NO = re.compile(r"\b(rejected|refused|declined|abgelehnt|refusee?|rechazad[oa]|recusad[oa])\b")

#: Words in the name of an amount that is not what the deal is worth, and what it is instead.
NO_AMOUNT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(weighted|prorated|expected|forecast\w*|gewichtet\w*|ponder\w*|erwartet\w*|attendue?s?)\b"),
     "perhaps the amount times its probability, less than a deal is worth: export the amount itself"),
    (re.compile(r"\b(unit|list|each|einzel\w*|stuck\w*|unitaire|unitario)\b|\bper (unit|seat|piece)\b"),
     "the price of one piece, it seems: export the amount of the whole deal"),
    (re.compile(r"\b(cost|costs|margin|discount|tax|vat|fee|commission|budget|marge|rabatt|remise|kosten)\b"),
     "something else than what the customer pays, it seems"),
)  # fmt: skip
#: Words in the name of an amount that is that of a month or a year.
PERIODIC = re.compile(r"\b(monthly|month|mrr|mensuel\w*|monatlich\w*|mensual\w*|yearly|annual\w*|arr|acv)\b")
#: Words in the name of an amount that is in the currency of the whole company, whatever the currency of its deal.
CONVERTED = re.compile(r"\b(converted|company currency|corporate currency|base|konvertiert|converti)\b")
#: Names of a column that says how many pieces; a price beside it is that of one.
QUANTITIES = ("quantity", "qty", "units", "menge", "anzahl", "stuck", "stuckzahl", "quantite", "cantidad")
#: Names of amounts that are given in thousands or millions.
LARGE_UNITS = re.compile(
    r"[kKmM] ?[€$£]|[€$£] ?[kKmM]\b|\b[kK](EUR|USD|GBP|CHF)\b|\bTEUR\b|\bT€|\b[mM]EUR\b|(?i:\bin (thousands?|tsd|"
    r"tausend|k|millions?|mio)\b|\bthousands?\b|\b000s?\b|\btausend\b|\bmilliers\b|\bmiles de\b|\bmillones\b|\bmio\b)"
)
#: Texts in the place of a partner that say there is none, and those that say the vendor sold itself.
NO_PARTNER = ("none", "no partner", "without partner", "not applicable", "kein partner", "ohne partner",
              "sans partenaire", "aucun", "sin socio", "nessuno", "geen")  # fmt: skip
DIRECT = ("direct", "direct sale", "direct sales", "in house", "inhouse", "own sale", "own sales", "house account",
          "direkt", "direktvertrieb", "direktverkauf", "vente directe", "directo", "venta directa", "diretto",
          "rechtstreeks")  # fmt: skip

#: What kind of media the usual channels are; what is not here is for the analyst to say.
MEDIA: dict[str, tuple[str, ...]] = {
    "paid": ("paid search", "display", "paid social", "ads", "google ads", "linkedin ads", "advertisement",
             "sponsored"),
    "earned": ("organic search", "organic social", "referral", "referrals", "social", "social media", "press",
               "word of mouth", "external referral", "employee referral"),
    "owned": ("email", "email marketing", "newsletter", "website", "web", "direct traffic", "blog", "webinar", "event"),
}  # fmt: skip

#: Texts that systems write where they know nothing.
NOTHING = (
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NULL",
    "null",
    "None",
    "nan",
    "NaN",
    "-",
    "--",
    "—",
    "–",
    "?",
    "(blank)",
    "n.a.",
    "k.A.",
)

#: Currencies by name.
CURRENCY_NAMES = {
    "euro": "EUR", "us dollar": "USD", "u s dollar": "USD", "dollar us": "USD", "us dollars": "USD",
    "pound sterling": "GBP", "british pound": "GBP", "swiss franc": "CHF", "schweizer franken": "CHF",
    "canadian dollar": "CAD", "australian dollar": "AUD", "indian rupee": "INR", "japanese yen": "JPY",
    "brazilian real": "BRL", "swedish krona": "SEK", "norwegian krone": "NOK", "danish krone": "DKK", "zloty": "PLN",
}  # fmt: skip


def folded(text: str) -> str:
    """The text in small letters, without accents, every mark a space: `Étape (CRM)*` is `etape crm`.

    >>> folded("Montant_HT *"), folded("Closed-Lost to Competition")
    ('montant ht', 'closed lost to competition')
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]|_", " ", letters).split())


def squeezed(text: str) -> str:
    """`folded` without spaces, so that `CloseDate` and `Close date` are one."""
    return folded(text).replace(" ", "")
