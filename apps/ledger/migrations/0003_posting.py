"""The functions that write the books. They run with the owner's rights: the application's role
cannot move a row balance itself.

Three settings travel with them. `plan_cache_mode`: PL/pgSQL would plan again at every call whatever
takes an array. `enable_seqscan`: a plan made while the tables were empty would scan them for ever.
`search_path`: nobody can put a table of the same name before ours.

Each asks for its transaction id before it reads the clock or the book's open day. Checkpoints and
the close of a day rest on that order (docs/decisions/0011-functions-write-the-books.md).
"""

from django.db import migrations

SETTINGS = """
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
"""

OPEN_ACCOUNT = f"""
CREATE FUNCTION ledger_open_account(p_book uuid, p_code text, p_currency text)
RETURNS void {SETTINGS} AS $$
BEGIN
    INSERT INTO ledger_account
        (id, book_id, code, currency, account_type, normal_side, floor, balance, created_at)
    SELECT uuidv7(), p_book, p_code, p_currency, c.account_type, c.normal_side, c.floor,
           CASE WHEN c.has_row THEN 0 END, clock_timestamp()
    FROM ledger_chart(p_code) c
    ON CONFLICT (book_id, code, currency) DO NOTHING;
    PERFORM FROM ledger_account a
    WHERE a.book_id = p_book AND a.code = p_code AND a.currency = p_currency;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING errcode = 'LG002', message = 'not an account of the chart',
            detail = json_build_object('account', p_code)::text;
    END IF;
END $$
"""

# Why a row did not move: it has too little, or it is no row and cannot be guarded.
REFUSE_MOVE = f"""
CREATE FUNCTION ledger_refuse_move(p_account uuid, p_reference text)
RETURNS void {SETTINGS} AS $$
DECLARE
    a record;
BEGIN
    SELECT x.code, x.currency, x.balance INTO a FROM ledger_account x WHERE x.id = p_account;
    IF a.balance IS NULL THEN
        RAISE EXCEPTION USING errcode = 'LG007', message = 'a guarded line needs a row account',
            detail = json_build_object('reference', p_reference, 'account', a.code)::text;
    END IF;
    RAISE EXCEPTION USING errcode = 'LG004', message = 'insufficient funds',
        detail = json_build_object('reference', p_reference, 'account', a.code,
            'currency', a.currency)::text;
END $$
"""

# Amounts are signed: positive debits, negative credits. Lines come sorted by account, because that
# is the order in which rows are locked; of one account what raises it comes first and guarded lines
# last, so that a floor is only ever met by what the whole posting leaves. Every expression is made
# ready anew in every transaction (a tenth of the function's time), hence so few of them.
POST = f"""
CREATE FUNCTION ledger_post(
    p_id uuid, p_book uuid, p_reference text, p_kind text, p_occurred timestamptz,
    p_fingerprint bytea, p_codes text[], p_currencies text[], p_amounts numeric[],
    p_guarded int[] DEFAULT NULL, p_reverses uuid DEFAULT NULL)
RETURNS uuid {SETTINGS} AS $$
DECLARE
    v_at timestamptz;
    v_first record;
    a record;
    v_accounts uuid[];
BEGIN
    v_at := CASE WHEN pg_current_xact_id() IS NOT NULL THEN clock_timestamp() END;
    INSERT INTO ledger_transaction
        (id, book_id, reference, kind, occurred_at, booked_on, created_at, reverses_id, fingerprint)
    VALUES (p_id, p_book, p_reference, p_kind, p_occurred,
        coalesce(
            (SELECT greatest((p_occurred AT TIME ZONE b.time_zone)::date, b.first_open_on)
             FROM ledger_book b WHERE b.id = p_book),
            (p_occurred AT TIME ZONE 'UTC')::date),
        v_at, p_reverses, p_fingerprint)
    ON CONFLICT (book_id, reference) DO NOTHING;
    IF NOT FOUND THEN
        SELECT t.id, t.fingerprint INTO v_first FROM ledger_transaction t
        WHERE t.book_id = p_book AND t.reference = p_reference;
        IF v_first.fingerprint IS DISTINCT FROM p_fingerprint THEN
            RAISE EXCEPTION USING errcode = 'LG005', message = 'posted before with other content',
                detail = json_build_object('reference', p_reference)::text;
        END IF;
        RETURN v_first.id;
    END IF;
    FOR i IN 1..cardinality(p_codes) LOOP
        SELECT x.id, x.normal_side * p_amounts[i] AS delta,
               CASE WHEN i = ANY (p_guarded) THEN greatest(x.floor, 0) ELSE x.floor END AS floor,
               x.balance IS NOT NULL OR i = ANY (p_guarded) AS has_row
        INTO a FROM ledger_account x
        WHERE x.book_id = p_book AND x.code = p_codes[i] AND x.currency = p_currencies[i];
        IF NOT FOUND THEN
            PERFORM ledger_open_account(p_book, p_codes[i], p_currencies[i]);
            SELECT x.id, x.normal_side * p_amounts[i] AS delta,
                   CASE WHEN i = ANY (p_guarded) THEN greatest(x.floor, 0) ELSE x.floor END
                       AS floor,
                   x.balance IS NOT NULL OR i = ANY (p_guarded) AS has_row
            INTO a FROM ledger_account x
            WHERE x.book_id = p_book AND x.code = p_codes[i] AND x.currency = p_currencies[i];
        END IF;
        v_accounts[i] := a.id;
        IF a.has_row THEN
            UPDATE ledger_account x SET balance = x.balance + a.delta
            WHERE x.id = a.id AND x.balance IS NOT NULL
              AND (a.delta >= 0 OR a.floor IS NULL OR x.balance + a.delta >= a.floor);
            IF NOT FOUND THEN
                PERFORM ledger_refuse_move(a.id, p_reference);
            END IF;
        END IF;
    END LOOP;
    INSERT INTO ledger_entry
        (transaction_id, line, book_id, account_id, entry_type, amount, currency, created_at)
    SELECT p_id, l.line, p_book, l.account, sign(l.amount), abs(l.amount), l.currency, v_at
    FROM unnest(v_accounts, p_amounts, p_currencies)
        WITH ORDINALITY l (account, amount, currency, line);
    RETURN p_id;
END $$
"""

# The same for a batch, by sets: each account is looked up once, lines point at it by number.
POST_MANY = f"""
CREATE FUNCTION ledger_post_many(
    p_book uuid, p_ids uuid[], p_references text[], p_kinds text[], p_occurred timestamptz[],
    p_fingerprints bytea[], p_codes text[], p_currencies text[], p_positions int[],
    p_lines smallint[], p_of_account int[], p_amounts numeric[], p_guarded int[] DEFAULT NULL)
RETURNS int {SETTINGS} AS $$
DECLARE
    v_at timestamptz;
    v_zone text := 'UTC';
    v_open date;
    v_new uuid[];
    v_is_new boolean[];
    v_accounts uuid[];
    v_sides smallint[];
    v_has_row boolean[];
    r record;
BEGIN
    v_at := CASE WHEN pg_current_xact_id() IS NOT NULL THEN clock_timestamp() END;
    SELECT b.time_zone, b.first_open_on INTO r FROM ledger_book b WHERE b.id = p_book;
    IF FOUND THEN
        v_zone := r.time_zone;
        v_open := r.first_open_on;
    END IF;
    WITH booked AS (
        INSERT INTO ledger_transaction
            (id, book_id, reference, kind, occurred_at, booked_on, created_at, fingerprint)
        SELECT u.id, p_book, u.reference, u.kind, u.occurred,
               greatest((u.occurred AT TIME ZONE v_zone)::date, v_open), v_at, u.fingerprint
        FROM unnest(p_ids, p_references, p_kinds, p_occurred, p_fingerprints)
            u (id, reference, kind, occurred, fingerprint)
        ORDER BY u.reference COLLATE "C"
        ON CONFLICT (book_id, reference) DO NOTHING
        RETURNING id)
    SELECT coalesce(array_agg(id), '{{}}') INTO v_new FROM booked;
    IF cardinality(v_new) < cardinality(p_ids) THEN
        SELECT u.position, u.reference INTO r
        FROM unnest(p_references, p_fingerprints) WITH ORDINALITY
            u (reference, fingerprint, position)
        JOIN ledger_transaction t ON t.book_id = p_book AND t.reference = u.reference
        WHERE t.fingerprint <> u.fingerprint
        ORDER BY u.position LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING errcode = 'LG005', message = 'posted before with other content',
                detail = json_build_object('position', r.position, 'reference', r.reference)::text;
        END IF;
        SELECT array_agg(u.id = ANY (v_new) ORDER BY u.position) INTO v_is_new
        FROM unnest(p_ids) WITH ORDINALITY u (id, position);
    END IF;

    FOR r IN
        SELECT u.code, u.currency FROM unnest(p_codes, p_currencies) u (code, currency)
        LEFT JOIN ledger_account a
            ON a.book_id = p_book AND a.code = u.code AND a.currency = u.currency
        WHERE a.id IS NULL ORDER BY u.code COLLATE "C", u.currency COLLATE "C"
    LOOP
        PERFORM ledger_open_account(p_book, r.code, r.currency);
    END LOOP;
    SELECT array_agg(a.id ORDER BY u.number), array_agg(a.normal_side ORDER BY u.number),
           array_agg(a.balance IS NOT NULL ORDER BY u.number)
    INTO v_accounts, v_sides, v_has_row
    FROM unnest(p_codes, p_currencies) WITH ORDINALITY u (code, currency, number)
    JOIN ledger_account a ON a.book_id = p_book AND a.code = u.code AND a.currency = u.currency;

    IF p_guarded IS NOT NULL THEN
        SELECT l.position, l.account INTO r
        FROM unnest(p_positions, p_of_account) WITH ORDINALITY l (position, account, number)
        WHERE l.number = ANY (p_guarded) AND NOT v_has_row[l.account] LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING errcode = 'LG007', message = 'a guarded line needs a row account',
                detail = json_build_object('position', r.position,
                    'reference', p_references[r.position], 'account', p_codes[r.account])::text;
        END IF;
    END IF;
    IF true = ANY (v_has_row) THEN
        PERFORM FROM ledger_account a
        WHERE a.id = ANY (v_accounts) AND a.balance IS NOT NULL
        ORDER BY a.code, a.currency FOR NO KEY UPDATE;
        -- The balance after every posting, in the order given: a later credit pays for nothing.
        SELECT w.position, w.account INTO r FROM (
            SELECT d.position, d.account, d.delta, d.guarded,
                   CASE WHEN d.guarded THEN greatest(a.floor, 0) ELSE a.floor END AS floor,
                   a.balance + sum(d.delta) OVER (
                       PARTITION BY d.account ORDER BY d.position) AS balance
            FROM (
                SELECT l.position, l.account, v_sides[l.account] * sum(l.amount) AS delta,
                       bool_or(l.number = ANY (p_guarded) AND v_sides[l.account] * l.amount < 0)
                           AS guarded
                FROM unnest(p_positions, p_of_account, p_amounts) WITH ORDINALITY
                    l (position, account, amount, number)
                WHERE v_has_row[l.account] AND (v_is_new IS NULL OR v_is_new[l.position])
                GROUP BY l.position, l.account
            ) d JOIN ledger_account a ON a.id = v_accounts[d.account]
        ) w WHERE (w.delta < 0 OR w.guarded) AND w.balance < w.floor ORDER BY w.position LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING errcode = 'LG004', message = 'insufficient funds',
                detail = json_build_object('position', r.position,
                    'reference', p_references[r.position], 'account', p_codes[r.account],
                    'currency', p_currencies[r.account])::text;
        END IF;
        UPDATE ledger_account a SET balance = a.balance + d.delta
        FROM (
            SELECT l.account, v_sides[l.account] * sum(l.amount) AS delta
            FROM unnest(p_positions, p_of_account, p_amounts) l (position, account, amount)
            WHERE v_has_row[l.account] AND (v_is_new IS NULL OR v_is_new[l.position])
            GROUP BY l.account
        ) d WHERE a.id = v_accounts[d.account];
    END IF;

    INSERT INTO ledger_entry
        (transaction_id, line, book_id, account_id, entry_type, amount, currency, created_at)
    SELECT p_ids[l.position], l.line, p_book, v_accounts[l.account], sign(l.amount), abs(l.amount),
           p_currencies[l.account], v_at
    FROM unnest(p_positions, p_lines, p_of_account, p_amounts) l (position, line, account, amount)
    WHERE v_is_new IS NULL OR v_is_new[l.position];
    RETURN cardinality(v_new);
END $$
"""

REVERSE = f"""
CREATE FUNCTION ledger_reverse(
    p_id uuid, p_book uuid, p_reference text, p_reversal text, p_occurred timestamptz)
RETURNS uuid {SETTINGS} AS $$
DECLARE
    t record;
    l record;
    v_known text := json_build_object('reference', p_reference)::text;
BEGIN
    SELECT x.id, x.kind INTO t FROM ledger_transaction x
    WHERE x.book_id = p_book AND x.reference = p_reference;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING errcode = 'LG008', message = 'nothing to reverse', detail = v_known;
    END IF;
    IF EXISTS (
        SELECT FROM ledger_transaction x
        WHERE x.book_id = p_book AND x.reverses_id = t.id AND x.reference <> p_reversal
    ) THEN
        RAISE EXCEPTION USING errcode = 'LG009', message = 'reversed before', detail = v_known;
    END IF;
    SELECT array_agg(s.code ORDER BY s.number) AS codes,
           array_agg(s.currency ORDER BY s.number) AS currencies,
           array_agg(s.amount ORDER BY s.number) AS amounts
    INTO l FROM (
        SELECT a.code, e.currency, -e.entry_type * e.amount AS amount,
               row_number() OVER (ORDER BY a.code, e.currency,
                   -e.entry_type * e.amount * a.normal_side DESC) AS number
        FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
        WHERE e.transaction_id = t.id
    ) s;
    BEGIN
        RETURN ledger_post(p_id, p_book, p_reversal, t.kind, p_occurred,
            sha256(convert_to('reverses ' || t.id, 'UTF8')), l.codes, l.currencies, l.amounts,
            NULL, t.id);
    EXCEPTION WHEN unique_violation THEN
        -- Somebody else reversed it while we waited.
        RAISE EXCEPTION USING errcode = 'LG009', message = 'reversed before', detail = v_known;
    END;
END $$
"""

# `manage.py grant` reads these: the application's role may select here and nothing else.
COMMENTS = [
    (
        f"COMMENT ON TABLE {table} IS 'written by functions only: ledger_post and its sisters'",
        f"COMMENT ON TABLE {table} IS NULL",
    )
    for table in ("ledger_account", "ledger_transaction", "ledger_entry")
]

STATEMENTS = [
    *COMMENTS,
    (OPEN_ACCOUNT, "DROP FUNCTION ledger_open_account(uuid, text, text)"),
    (REFUSE_MOVE, "DROP FUNCTION ledger_refuse_move(uuid, text)"),
    (
        POST,
        "DROP FUNCTION ledger_post(uuid, uuid, text, text, timestamptz, bytea, text[], text[], "
        "numeric[], int[], uuid)",
    ),
    (
        POST_MANY,
        "DROP FUNCTION ledger_post_many(uuid, uuid[], text[], text[], timestamptz[], bytea[], "
        "text[], text[], int[], smallint[], int[], numeric[], int[])",
    ),
    (REVERSE, "DROP FUNCTION ledger_reverse(uuid, uuid, text, text, timestamptz)"),
]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_guards")]
    operations = [migrations.RunSQL(sql, reverse) for sql, reverse in STATEMENTS]
