"""The small faults that `mutants` puts into a copy of the package, and the tests that should notice each."""

from __future__ import annotations

#: By file, and the tests that should notice (`deals` is tests/test_deals.py): what stands there, and what it becomes.
Edits = list[tuple[str, str]]
TABLE: dict[tuple[str, str], Edits] = {
    # which rows belong to a quarter
    ("deals.py", "deals"): [
        ("(days <= last) & with_status", "(days < last) & with_status"),
        ("(days >= first) & (days <= last) & with_status", "(days > first) & (days <= last) & with_status"),
        ('DECIDED = ("won", "lost", "abandoned")', 'DECIDED = ("won", "lost")'),
        ('deals["amount"] > 0', 'deals["amount"] >= 0'),
        (' & (deals["reason"].fillna("").str.casefold() == "conflict")', ""),
        ("((closed >= begin) & (closed >= created))", "(closed >= begin)"),
    ],
    ("periods.py", "periods"): [
        ("(self - 3).start", "(self - 4).start"),
        ("as_of + pd.Timedelta(days=1)", "as_of"),
        ("(self.last_day - self.start).days) + 1", "(self.last_day - self.start).days)"),
    ],
    # what was known on a day
    ("book/past.py", "as_of"): [("    deals = _without_closings(deals, history[unheard])\n", "")],
    ("book/past.py", "book_past schema"): [
        ("(np.isnat(until) | (until > on))", "(np.isnat(until) | (until >= on))"),
        ('column.dated and column.later == "row"', 'column.dated and column.later == "row" and table.name != "leads"'),
        ('(history["recorded_at"] >= next_day)', '(history["recorded_at"] > pd.Timestamp("2190-01-01"))'),
        ("frame[name].mask(frame[name] >= next_day)", "frame[name]"),
    ],
    ("book/loading.py", "book_money schema"): [
        ('frame["closed_on"].fillna(day) if table.name == "deals"', 'never_dated if table.name == "deals"'),
        ("        if lost.any():\n", "        if False:\n"),
    ],
    ("book/money.py", "book_money"): [
        ('side="right") - 1', 'side="left") - 1'),
        ('side="right") - 1', 'side="right")'),
        ('values = own["rate"].to_numpy()', 'values = 1 / own["rate"].to_numpy()'),
        ("ROUND_HALF_EVEN))", '"ROUND_HALF_UP"))'),
        ("scaled = (amounts * rates).to_numpy()", "scaled = amounts.to_numpy()"),
    ],
    # what moved the pipeline, and the won amount
    ("book/events.py", "events waterfalls"): [
        ("first | ((before != _OPEN) & (status != before))", "first | (before != _OPEN)"),
        (
            '_worth(spells, purse, came, "amount_before", "from_day")',
            '_worth(spells, purse, came, "amount", "from_day")',
        ),
        ("(~follows | _changed_hands(spells))", "_changed_hands(spells)"),
        ("    follows[unplaced] = deal_id[unplaced] == deal_id[unplaced - 1]\n", ""),
        (" - month).astype(np.int64) + 1  #", " - month).astype(np.int64)  #"),
        ('_worth(spells, purse, gone, "amount", "to_day")', '_worth(spells, purse, gone, "amount", "from_day")'),
        ("(status != _OPEN) & (status != _status(", "(status != _OPEN) & (_OPEN == _status("),
    ],
    ("waterfalls.py", "events waterfalls"): [
        ("_stock(book, first - _EVENING, OPENING)", "_stock(book, first, OPENING)"),
        ('last.to_datetime64(), "right")', "last.to_datetime64())"),
        ("former = np.where(_touch(above, own), former, nobody)", "former = former"),
    ],
    ("drivers.py", "drivers"): [
        (
            "[Fraction(money, n) for n, money in (old, new) if n]",
            "[Fraction(money, n or 1) for n, money in (old, new)]",
        ),
        ("(means[0] + means[-1]) / 2 - overall", "means[0] - overall"),
        ("return then if period.complete else then.known_on", "return then if period else then.known_on"),
        ("floors[i] - parts[i], i", "parts[i] - floors[i], i"),
    ],
    # reading
    ("book/reading.py", "book_account book_faults"): [
        ("MOST_SET_ASIDE = 0.01", "MOST_SET_ASIDE = 0.10"),
        ("FEW_ROWS = 5\n", "FEW_ROWS = 5000\n"),
        ('sums += [("amount", str(c), own)', 'sums += [("rows", str(c), own)'),
    ],
    ("book/intake.py", "book_account book_faults"): [
        (
            'examined.aside(name, "the same key stands in rows that differ", conflict)',
            'examined.warn(name, "the same key stands in rows that differ", conflict)',
        ),
        ("    examined.leave_out(mask)\n", ""),
    ],
    ("book/rules.py", "book_faults book_odd"): [
        ('_compare(examined, "amount", "<", 0)', '_compare(examined, "amount", "<", -1e9)'),
        (">= export_day + pd.Timedelta(days=1)", ">= export_day + pd.Timedelta(days=2)"),
        ('deals.warn("lead_id"', 'deals.aside("lead_id"'),
    ],
    ("book/delimited.py", "book_sources book_faults book_odd"): [
        (">= max(2, len(raw.header) - 1)", ">= 10**6"),
        ("if nul >= 0:", "if nul >= 10**9:"),
        ("if raw.ragged and len(raw.ragged) >= max(1, len(raw.record)):", "if False:"),
    ],
    ("book/queries.py", "book_sql"): [
        ('"enable_external_access = false", ', ""),
        (',\n           "lock_configuration = true")', ")"),
        ("if len(statements) != 1 or", "if"),
    ],
    ("book/parse.py", "book_parse"): [
        ('if doubtful.any() and not (_holds(plain, ".") & ~doubtful).any():', "if False:"),
        ("(year < 1900) | (year > 2199)", "(year < 1000)"),
        ("tz_convert(zone)", 'tz_convert("UTC")'),
    ],
    ("book/declarations.py", "book_config"): [(' or ".." in path.parts', "")],
    # choosing
    ("book/levels.py", "book_where schema"): [
        ("name: tables[name][_meets(tables, recorded, name, choices)]", "name: tables[name]"),
        ('    if name == "spells" and column in changing() and not level:\n        return None\n', ""),
        ("    if not (level or about_sales) and", "    if not level and"),
        ("    if not listed or not all", "    if not all"),
    ],
    ("groups.py", "words_as_ids"): [
        ("if text.strip('\"') in words", "if text in words"),
        ("f'\"{text}\"' if", "text if"),
    ],
    # what is usual, and what was to be expected
    ("experience.py", "experience intervals"): [
        ("orders * e, e, left)", "0 * e, e, left)"),
        ("- 1)).sum()) + chance", "- 1)).sum())"),
        ("left = np.repeat(1 - 1 / many[used], many[used])", "left = np.repeat(1.0, many[used].sum())"),
        ("signal / (signal + variance.mean())", "1.0"),
    ],
    ("network.py", "experience intervals coverage"): [
        ("days = days.where(begin <= q.before.start, 0)", "pass"),
        ("squares * spans / np.maximum(spans - 1, 1)", "squares"),
        (
            "n, yes = n.sum(axis=0) - n, yes.sum(axis=0) - yes",
            "n, yes = n.sum(axis=0) + 0 * n, yes.sum(axis=0) + 0 * yes",
        ),
    ],
    ("intervals.py", "intervals coverage"): [
        ("r * (1 - above) / np.maximum(above, 1e-300)", "high"),
        ("effect += alike * (customers / n - 1)", "effect += 0"),
        ("shared = np.divide(pairs, n * (n - 1)", "shared = np.divide(pairs, n"),
        (
            "return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)",
            "return np.where(n > 0, high, np.nan), np.where(n > 0, low, np.nan)",
        ),
    ],
    ("expectation.py", "expectation oracle"): [
        ("n, w = trials - n, wins - w", "n, w = trials + 0 * n, wins + 0 * w"),
        ("np.diag(ridge / USUAL)", "np.diag(ridge * 100)"),
    ],
    ("forecast.py", "forecast oracle others"): [
        ("np.minimum(usual * self.season, SUREST)", "np.minimum(usual, SUREST)"),
        ("since = AHEAD if quarter.complete else AHEAD + 1", "since = AHEAD"),
        ("(past + ahead).end)\n", "(past + ahead).end + pd.Timedelta(days=90))\n"),
    ],
    ("indices.py", "oracle intervals expectation"): [
        ("alone = alike < FEWEST_ALIKE", "alone = alike < 0"),
        ("np.hypot(np.log(ratio), Z * unsure)", "np.hypot(np.log(ratio), 0 * unsure)"),
    ],
    # the network, and what one may know of it
    ("others.py", "forecast"): [
        ("if quarter.end >= self.whole.as_of:", "if quarter.end:"),
        ("table = self._told(quarter, choices if partner is None else ())", "table = self._told(quarter, ())"),
    ],
    ("others.py", "others slices oracle"): [
        ("if len(values) < FEWEST_PARTNERS:", "if len(values) < 1:"),
        ('.drop(partner, errors="ignore")', ""),
        ("printed(quantile, figure.unit)", "quantile"),
        ("min(_decimals(value), 2)", "_decimals(value)"),
        ("rounded(smoothed(wins[wins > 0] / 4, 0.5))", "float(np.mean(wins[wins > 0] / 4))"),
        ("if priced.sum() < FEWEST_PARTNERS:", "if priced.sum() < 1:"),
        ("quarter.year_before.start, quarter.before.end)", "quarter.year_before.start, quarter.end)"),
        ("others.expected(q).filter(own, axis=0)", "others.expected(q)"),
        ("cost[cost > 0] / n.reindex(cost.index)", "cost[cost > 0]"),
        ("    low, high = (0, 3) if low < 0 else (low, high)\n", ""),
    ],
    ("recorded.py", "one_answer"): [
        ('{"lost", "abandoned"} & book.others.statuses', '{"lost", "abandoned"} & set(book.deals["status"])'),
    ],
    # figures
    ("statistics.py", "intervals others compare"): [
        ("np.where(n > 1, low, np.nan), np.where(n > 1, high, np.nan), reason)", "low, high, reason)"),
        ("possible = (n >= FEW) & ~equal", "possible = (n >= 2) & ~equal"),
    ],
    ("survival.py", "survival deals truth coverage"): [
        ("(np.cumsum(gone, axis=1) - gone)", "np.cumsum(gone, axis=1)"),
        ("parts = np.zeros((len(f), days + 1))", "parts = np.zeros((len(f), at + 1))"),
    ],
    ("survival.py", "oracle coverage "): [
        ("np.minimum(longest(rows, codes, groups), HORIZON)", "longest(rows, codes, groups)"),
        ("value[longest(rows, codes, groups) < days] = np.nan", "pass"),
        ("_least_after(c, rest) / 4", "0"),
        ("return 2 * d * np.minimum(d, 1) * pace / quarters**2", "return 0 * pace"),
    ],
    ("kpis/close_rate.py", "oracle"): [
        (
            'decided = decided_prospects(book, quarter)\n    return decided.assign(value=decided["status"] == "won")',
            'decided = decided_prospects(book, quarter)\n    return decided.assign(value=decided["status"] == "lost")',
        ),
    ],
    ("kpis/opportunity_pipeline.py", "deals"): [
        ('(deals["expected_close_on"] < quarter.last_day)', '(deals["expected_close_on"] <= quarter.last_day)'),
    ],
    ("kpis/number_of_deals.py", "deals"): [
        ('partners["left_on"].where(partners["left_on"] < quarter.last_day, quarter.last_day)', "quarter.last_day"),
    ],
    ("compare.py", "compare"): [
        ('(low > 0) == (better == "higher")', '(low > 0) != (better == "higher")'),
        ("if (now.few or before.few) and not counted:", "if now.few and before.few:"),
        (
            "hypot(now.value - now.low, upper_before - before.value)",
            "hypot(now.value - now.low, before.value - before.low)",
        ),
        ("rule(book, quarter, seen)", "rule(book, quarter, quarter)"),
    ],
    # what a review looks back on
    ("book/loading.py", "notes"): [
        ("(lambda quarter: quarter.end) <= day", "(lambda quarter: quarter.start) <= day"),
        ("(quarter + 1).end) <= day", "quarter.end) <= day"),
    ],
    ("restatement.py", "restatement"): [
        ("        again = again[(again", "        again = again.iloc[:0][(again"),
        ('~among(spells["deal_id"], unheard)', '~among(spells["deal_id"], unheard.iloc[:0])'),
        ("differs = ~both & (", "differs = ~both & ~("),
        (
            'days = part["closed_on"].fillna(past.end)',
            'days = part["closed_on"].mask(part["closed_on"].notna(), past.end)',
        ),
    ],
    ("bridges.py", "bridges"): [
        ("closed_in(book.deals, quarter, CLOSED), entered_in", "decided_in(book.deals, quarter), entered_in"),
        ("sized = priced(closed)", "sized = closed"),
        ('key.fillna("L:" + rows["lead_id"])', 'key.fillna("L:")'),
        ("value - before if change.against", "before - value if change.against"),
    ],
    ("notes.py", "notes"): [
        ("return harmless(", "return str("),
        ("there.endswith((b", "not there.endswith((b"),
        ('end = "\\r\\n" if', 'end = "\\n" if'),
        ("reversed(period.before.back(back))", "list(period.before.back(back))"),
        ('kept["outcome"].isna()', 'kept["outcome"].notna()'),
    ],
    # words, files, pages
    ("wording.py", "wording"): [
        ("return abs(round(value)) if", "return 1 if"),
        ("    _catalogue(language)\n    _usual = language", "    _catalogue(language)"),
        (
            "if (wanted := _fields(self.english)) != values.keys()",
            "if (wanted := _fields(self.english)) < values.keys()",
        ),
        (
            "format_decimal(value, format=pattern, locale=language())",
            'format_decimal(value, format=pattern, locale="en")',
        ),
    ],
    ("export.py", "cli"): [
        ('return "\'" + text if text', "return text if text"),
        ("            _replace(path.resolve(), content)", "            path.write_bytes(content)"),
    ],
    ("show/html.py", "show"): [
        ("escape(clean(str(text)))", "Markup(clean(str(text)))"),
        ('("Cc", "Cf", "Cs")', '("Cc", "Cs")'),
    ],
    ("batch/page.py", "batch_page"): [
        ('return f"<pre>{escape(plain)}</pre>"', 'return f"<pre>{plain}</pre>"'),
        ("escape=True, plugins", "escape=False, plugins"),
    ],
    ("batch/gate.py", "gate gate_live batch_proof batch_disclosure"): [
        ("    read_pictures(reading)\n", ""),
        ("elif value != figures[name]:\n", "elif False:\n"),
        ("elif counts != sorted(set(counts)):\n", "elif False:\n"),
        ("*_disorder(reading), *_no_figures(reading)]", "*_disorder(reading)]"),
        ("disclosed = foreign.reasons(read, reading.unread, allowed)", "disclosed = foreign.reasons([], [], allowed)"),
    ],
    ("batch/markup.py", "gate gate_live"): [
        ("        return value in links\n", "        return True\n"),
        ("        _compare(_plain(written), _plain(browsed), reading)", "        pass"),
        (
            'elif attribute == "style":\n            check_style(value, reading)',
            'elif attribute == "style":\n            pass',
        ),
        ("|//|http|image-set)", "|image-set)"),
        ("|//|http|image-set)", "|//|http)"),
    ],
    ("batch/disclosure.py", "batch_disclosure"): [
        ("SHORTEST_WORD, SHORTEST_NUMBER = 3, 6", "SHORTEST_WORD, SHORTEST_NUMBER = 20, 6"),
        ("for amount in self._amounts(read)]", "for amount in ()]"),
        ('in ((owned, "deal_id"), (labels', "in ((labels"),
        ('plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()', "plain = text.casefold()"),
    ],
    ("batch/files.py", "batch_files"): [
        ("        os.replace(temporary, path)\n", "        path.write_bytes(content)\n        os.unlink(temporary)\n"),
        ("            os.fsync(file.fileno())\n", ""),
        ("        lock.acquire(timeout=0)\n", "        pass\n"),
        ("hexdigest() == sha256\n", "hexdigest() != ''\n"),
    ],
    ("batch/plan.py", "batch_plan"): [
        ("if safe and folded[_folded(partner)] == 1 else", "if safe else"),
        (
            'PLAIN_ID.fullmatch(partner) and is_valid_filename(partner, platform="windows")',
            "PLAIN_ID.fullmatch(partner)",
        ),
    ],
    ("batch/publish.py", "batch_publish batch_files"): [
        ("foreign=None if is_network else self._foreign(partner)", "foreign=None"),
        ('"failed" if all(f.kind == "quality"', '"refused" if all(f.kind == "quality"'),
        ("            (self.folder / old).unlink()", "            pass"),
    ],
    ("batch/kernels.py", "batch_kernels"): [
        ("    for kernel in list(_kernels):\n        kernel.kill()\n    shutil", "    shutil"),
        ('    os.environ.clear()\n    os.environ.update(_state["environ"])\n', ""),
    ],
    ("batch/engine.py", "batch_kernels"): [("os.killpg(process.pid, signal.SIGKILL)", "process.kill()")],
    ("batch/run.py", "batch_kernels"): [("        _tidied_when_ended(),\n", "")],
    ("findings/chance.py", "signals_chance"): [
        ("    weight = 1 / error[told] ** 2", "    weight = 1 / error[told]"),
    ],
    ("findings/kinds.py", "signals"): [
        ("(value < limits.year_act) & much", "(value < limits.year_act) & ~much"),
    ],
    ("findings/process.py", "process"): [
        ("TREND - 1:", "TREND:"),
        ("sign * away[near] > 2 / 3", "sign * away[near] > 1 / 3"),
        ("even.mean(axis=0) >= FEWEST_A_MONTH", "even.mean(axis=0) >= 0"),
        ("tails[side, mine] * (1 + 1e-9)", "2 * tails[side, mine]"),
        ("    even = counts / usual\n    if", "    even = counts\n    if"),
    ],
    ("findings/family.py", "signals"): [
        ("q <= limits.false_discoveries", "q <= 2 * limits.false_discoveries"),
    ],
    ("findings/facts.py", "signals"): [
        ('(spend["amount"] > 0)', '(spend["amount"] > 100)'),
    ],
}
