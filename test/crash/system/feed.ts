// Daily files that go on arriving, and whether a server holds exactly what is in them.
import { mkdir, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Random } from '../../../src/base/random.ts'
import type { TestServer } from '../../support/postgres.ts'

const DAY_MS = 24 * 3_600_000
const FIRST = Date.parse('2020-01-01T00:00:00Z')

interface DayFile {
  readonly name: string
  readonly rows: number
  readonly sum: number
}

export class Feed {
  readonly files: DayFile[] = []
  readonly folder: string
  private readonly random: Random

  constructor(folder: string, random: Random) {
    this.folder = folder
    this.random = random
  }

  static async prepare(server: TestServer): Promise<void> {
    await server.psql('create table line (day date not null, id int not null, amount numeric(12, 2) not null)')
  }

  /** One more file, there all at once, as if it had been written a minute ago. */
  async arrive(): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    const day = new Date(FIRST + this.files.length * DAY_MS).toISOString().slice(0, 10)
    const cents = Array.from({ length: 200 + this.random.integer(2000) }, () => this.random.integer(1_000_000))
    const lines = cents.map((cent, id) => `${day},${id},${(cent / 100).toFixed(2)}`)
    const name = `${day}.csv`
    const temporary = join(this.folder, `.${name}`)
    await writeFile(temporary, `day,id,amount\n${lines.join('\n')}\n`)
    const at = new Date(Date.now() - 60_000)
    await utimes(temporary, at, at)
    await rename(temporary, join(this.folder, name))
    this.files.push({ name, rows: cents.length, sum: cents.reduce((sum, cent) => sum + cent, 0) })
  }

  /** Whole files in order, each exactly once, journal and ledger telling the same. `all`: none may be missing. */
  async check(server: Pick<TestServer, 'psql'>, all: boolean): Promise<{ loaded: number; problems: string[] }> {
    const problems: string[] = []
    const found = await server.psql<{ name: string; rows: string; sum: string; ids: string }>(
      `select day::text || '.csv' as name, count(*)::text as rows, (sum(amount) * 100)::bigint::text as sum, count(distinct id)::text as ids
         from line group by day order by day`,
    )
    for (const [index, { name, rows, sum, ids }] of found.entries()) {
      const file = this.files[index]
      if (file?.name !== name) problems.push(`rows of ${name} stand where ${file?.name ?? 'nothing'} should`)
      else if (Number(rows) !== file.rows || Number(sum) !== file.sum || rows !== ids)
        problems.push(`${name} has ${rows} rows of sum ${sum}, the file ${file.rows} of sum ${file.sum}`)
    }
    if (all && found.length !== this.files.length)
      problems.push(`${found.length} of ${this.files.length} files are loaded`)
    problems.push(...(await journalProblems(server, found.length)))
    return { loaded: found.length, problems }
  }
}

async function journalProblems(server: Pick<TestServer, 'psql'>, files: number): Promise<string[]> {
  const [there] = await server.psql<{ there: boolean }>(`select to_regclass('wharf.load_journal') is not null as there`)
  if (!there!.there) return files === 0 ? [] : ['there is no journal']
  const [row] = await server.psql<Record<'entries' | 'names' | 'xids' | 'ledger', number>>(
    `select count(*)::int as entries, count(distinct inputs -> 0 ->> 'name')::int as names, count(distinct xid::text)::int as xids,
       (select count(*)::int from wharf.load_file) as ledger from wharf.load_journal`,
  )
  const same = Object.values(row!).every((one) => one === files)
  return same ? [] : [`${files} files are loaded, the journal says ${JSON.stringify(row)}`]
}
