"""What dashboards are made of: queries, panels, rows, and the page that holds them. One look for all of them, and no
knowledge of any metric."""

import itertools

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
HEIGHT = 8


# Queries -------------------------------------------------------------------------------------------------------------


def query(expr, legend=""):
    return {"expr": expr, "legendFormat": legend or "__auto"}


def sum_rate(metric, selector="", by=()):
    """How often a counter is counted up, a second."""
    return f"sum{grouped(by)} (rate({metric}{braces(selector)}[$__rate_interval]))"


def quantile(q, metric, selector="", by=()):
    """Of a histogram."""
    return f"histogram_quantile({q}, {sum_rate(f'{metric}_bucket', selector, ('le', *by))})"


def quantiles(metric, selector="", by=(), of=(0.5, 0.99)):
    """One query for each quantile, called p50 and so on."""
    labels = " ".join(f"{{{{{label}}}}}" for label in by)
    return [query(quantile(q, metric, selector, by), f"{labels} p{q * 100:g}".strip()) for q in of]


def grouped(by):
    return f" by ({', '.join(by)})" if by else ""


def braces(selector):
    return f"{{{selector}}}" if selector else ""


# Panels --------------------------------------------------------------------------------------------------------------


def chart(title, *queries, unit="short", about="", width=8, stacked=False, least=0, most=None, step=False):
    """Lines over time."""
    custom = {"lineWidth": 1, "fillOpacity": 40 if stacked else 10, "showPoints": "never"}
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    if step:
        custom["lineInterpolation"] = "stepAfter"
    defaults = {"unit": unit, "min": least, "max": most, "custom": custom}
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, queries, about, width, defaults, options)


def number(title, *queries, unit="short", about="", width=4, steps=(), decimals=None):
    """The newest value of each series, large. Steps are pairs of a colour and the value from which on it holds."""
    colours = [{"color": "text", "value": None}] if not steps else [{"color": c, "value": v} for c, v in steps]
    defaults = {"unit": unit, "decimals": decimals, "thresholds": {"mode": "absolute", "steps": colours}}
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "wideLayout": True,
    }
    newest = [{**each, "instant": True, "range": False} for each in queries]
    return panel("stat", title, newest, about, width, defaults, options)


def table(title, expr, columns, about="", width=12):
    """One row for each series, with these of its labels."""
    hidden = {"Time": True, "Value": True, "__name__": True}
    newest = {**query(expr), "format": "table", "instant": True, "range": False}
    made = panel("table", title, [newest], about, width, {}, {})
    order = {name: place for place, name in enumerate(columns)}
    made["transformations"] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order}},
    ]
    return made


def panel(kind, title, queries, about, width, defaults, options):
    targets = [
        {"refId": chr(ord("A") + place), "datasource": DATASOURCE, "editorMode": "code", "range": True, **each}
        for place, each in enumerate(queries)
    ]
    said = {name: value for name, value in defaults.items() if value is not None}
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": HEIGHT if kind != "stat" else HEIGHT // 2},
        "targets": targets,
        "fieldConfig": {"defaults": said, "overrides": []},
        "options": options,
    }


# Pages ---------------------------------------------------------------------------------------------------------------


def row(title, *panels, collapsed=False):
    return {"title": title, "panels": list(panels), "collapsed": collapsed}


def variable(name, label, labels_of, several=False):
    """To choose among the values of a label: `labels_of` is such as `label_values(metric, label)`."""
    made = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "definition": labels_of,
        "query": {"query": labels_of, "refId": name},
        "refresh": 2,
        "sort": 1,
    }
    if several:
        made |= {"multi": True, "includeAll": True, "current": {"text": ["All"], "value": ["$__all"]}}
    return made


def dashboard(uid, title, about, rows, variables=()):
    return {
        "uid": f"fournines-{uid}",
        "title": title,
        "description": about,
        "tags": ["fournines"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {"type": "dashboards", "title": "Fournines", "tags": ["fournines"], "asDropdown": True, "keepTime": True}
        ],
        "templating": {"list": [chosen_datasource(), *variables]},
        "annotations": {"list": []},
        "panels": laid_out(rows),
    }


def chosen_datasource():
    return {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "refresh": 1}


def laid_out(rows):
    """Gives every panel an id and a place. What is in a closed row takes no place on the page."""
    made, top, numbers = [], 0, itertools.count(1)
    for each in rows:
        header = {
            "type": "row",
            "title": each["title"],
            "id": next(numbers),
            "collapsed": each["collapsed"],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        inside, below = side_by_side(each["panels"], top + 1, numbers)
        header["panels"] = inside if each["collapsed"] else []
        made += [header] if each["collapsed"] else [header, *inside]
        top = top + 1 if each["collapsed"] else below
    return made


def side_by_side(panels, top, numbers):
    """From left to right, with a new line when one does not fit; and where the next row begins."""
    placed, left, tallest = [], 0, 0
    for each in panels:
        size = each["gridPos"]
        if left + size["w"] > COLUMNS:
            top, left, tallest = top + tallest, 0, 0
        placed.append({**each, "id": next(numbers), "gridPos": {"x": left, "y": top, **size}})
        left, tallest = left + size["w"], max(tallest, size["h"])
    return placed, top + tallest
