// What holds in every session of a recovery of parts, in the sandbox and on the live server.

/**
 * Names are whole, every row is seen, and text means the same on both sides, whatever a database or a role was told to set: rows that travel as text, constants in definitions.
 * The zone is left alone: what is written in ISO carries its own, and a CHECK may depend on it.
 */
export const plainSession = [
  "set search_path = ''",
  'set row_security = off',
  'set quote_all_identifiers = off',
  'set standard_conforming_strings = on',
  "set datestyle = 'ISO'",
  "set intervalstyle = 'postgres'",
  'set extra_float_digits = 3',
  "set lc_monetary = 'C'",
  "set bytea_output = 'hex'",
  "set xmloption = 'content'",
  'set array_nulls = on',
  // A session waits for hours while others copy. Not every version has all of them.
  `select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings
    where name in ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`,
].join('; ')
