"""Formats a list of prices the way the customer reads them."""
import locale


def format_price(cents):
    text = locale.format_string("%.2f", cents / 100, grouping=True)
    return f"{text} {locale.localeconv()['currency_symbol'] or 'EUR'}"


def handler(event, context):
    # Wrong: a locale is set for the whole process and never put back.
    for name in (event["locale"], "C.UTF-8", "en_US.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    names = sorted(event["prices"], key=locale.strxfrm)
    return {"basket": event["basket"], "prices": [f"{n}: {format_price(event['prices'][n])}" for n in names]}
