// Records what one load does, in its order, and puts it into every required repository before the load commits.
import { readFileSync } from 'node:fs'

import { parseLsn } from '../../wal/lsn.ts'
import type { TaskExecution } from '../../runs/contract.ts'
import type { KeptContent, KeptContentWriter, KeptInput, KeptLoad, KeptStep } from '../../repository/contract.ts'
import type { Changes } from '../journal/changes.ts'
import type { LoadDone, LoadFacts, LoadIntent } from '../journal/transaction.ts'
import type { CommandInput } from '../inputs.ts'
import type { ReadSql } from '../sql/run.ts'
import { emptiedBy } from '../sql/statements.ts'
import type { KeepingParts } from './keeping.ts'
import { newestLoads, replacedTables, walPosition } from './session-facts.ts'

type Recording = Pick<TaskExecution, 'context' | 'run' | 'task' | 'token' | 'input'>

/** A step with its content as each repository has it. */
type Recorded = (writer: number) => KeptStep

export interface Committing {
  readonly lsn: string
  readonly timeline: number
  readonly intent: LoadIntent
  readonly id: string
  readonly xid: string
  readonly parameters: Readonly<Record<string, string>>
  readonly facts: LoadFacts
  readonly changed: Changes
  readonly workMs: number
  readonly done: LoadDone
}

export class LoadRecorder {
  private readonly task: Recording
  private readonly parts: KeepingParts
  private readonly steps: Recorded[] = []
  /** Tables that were emptied before anything could have read their rows, and those of which that is not certain. */
  private readonly emptied = { first: [] as string[], later: [] as string[] }
  private hasRead = false
  private copying: { readonly sql: string; readonly contents: readonly KeptContentWriter[] } | undefined

  constructor(task: Recording, parts: KeepingParts) {
    this.task = task
    this.parts = parts
  }

  /** A statement of ours. */
  statement(sql: string): void {
    this.noteEmptied(sql)
    this.steps.push(() => ({ kind: 'statement', sql }))
  }

  private noteEmptied(sql: string): void {
    const { first, later, readsNothing } = emptiedBy(sql)
    this.emptied[this.hasRead ? 'later' : 'first'].push(...first)
    this.emptied.later.push(...later)
    this.hasRead ||= !readsNothing
  }

  async script(sql: Pick<ReadSql, 'name' | 'text' | 'bytes'>): Promise<void> {
    this.noteEmptied(sql.text)
    const { name } = sql
    const contents = await Promise.all(
      this.parts.writers.map(async (writer) => {
        const content = writer.content()
        await content.write(sql.bytes)
        return await content.finish()
      }),
    )
    this.steps.push((writer) => ({ kind: 'script', name, content: contents[writer]! }))
  }

  /** What is written is what COPY is sent. */
  copy(sql: string): { write(bytes: Buffer): Promise<void> } {
    const contents = this.parts.writers.map((writer) => writer.content())
    this.copying = { sql, contents }
    return { write: async (bytes) => void (await Promise.all(contents.map((content) => content.write(bytes)))) }
  }

  /** The COPY has ended; `original` is the file that it was made of. */
  async copied(rows: number, original: KeptInput): Promise<void> {
    const { sql, contents } = this.copying!
    const stored: KeptContent[] = await Promise.all(contents.map((content) => content.finish()))
    this.steps.push((writer) => ({ kind: 'copy', sql, content: stored[writer]!, rows, original }))
  }

  /** A command that has run: by itself, there is no transaction. */
  async command(id: string, workMs: number): Promise<void> {
    const { argv, env, folder, logged } = this.task.input as CommandInput
    const step: KeptStep = { kind: 'command', argv, folder, variables: Object.keys(env) }
    const { run, context } = this.task
    const position = await this.position()
    const load = {
      ...this.where({ ...position, id, workMs, parameters: {} }),
      xid: undefined,
      journal: {
        ...this.journal({ item: '', businessDate: run.businessDate, logged, startedMs: context.clock.now() - workMs }),
        rows: 0,
        inputs: [],
        written: {},
      },
      unlogged: [],
      alsoLogged: [],
      replaces: [],
      reads: [],
      follows: {},
      file: null,
    }
    await Promise.all(this.parts.writers.map((writer) => writer.commit({ ...load, steps: [step] })))
  }

  position(): Promise<{ lsn: string; timeline: number }> {
    return walPosition(this.parts.session)
  }

  /** Durable in every repository, and the leases are held, when it resolves. */
  async commit(at: Committing): Promise<void> {
    const { writers } = this.parts
    const common = await this.load(at)
    await Promise.all(
      writers.map((writer, index) => writer.commit({ ...common, steps: this.steps.map((step) => step(index)) })),
    )
    for (const writer of writers) writer.demandLease()
  }

  /** Of this load alone: the writers serve every load of the task. Never rejects. */
  async withdraw(id: string): Promise<void> {
    await Promise.all(this.parts.writers.map((writer) => writer.withdraw(id)))
  }

  private async load(at: Committing): Promise<Omit<KeptLoad, 'warehouse' | 'steps'>> {
    const { session } = this.parts
    const { changed, intent, facts, done } = at
    const written = Object.fromEntries([...changed.written].map(([name, count]) => [name, Number(count)]))
    const startedMs = this.task.context.clock.now() - at.workMs
    return {
      ...this.where(at),
      xid: BigInt(at.xid),
      journal: {
        ...this.journal({ ...intent, startedMs }),
        rows: Number(done.rows),
        inputs: facts.inputs,
        written,
      },
      unlogged: changed.unlogged,
      alsoLogged: changed.logged,
      replaces: await this.replaced(changed),
      reads: changed.read,
      follows: await newestLoads(session, Object.keys(written), at.id),
      file: facts.file ?? null,
    }
  }

  /** What was emptied late counts if nothing of it was read at all. */
  private async replaced({ scanned }: Changes): Promise<readonly string[]> {
    const { session } = this.parts
    const first = await replacedTables(session, this.emptied.first)
    const later = await replacedTables(session, this.emptied.later)
    return [...new Set([...first, ...later.filter((name) => !scanned.has(name))])].sort()
  }

  private where(at: Pick<Committing, 'lsn' | 'timeline' | 'id' | 'workMs' | 'parameters'>) {
    const { database, role, systemIdentifier, postgresVersion, isolation, settings } = this.parts.facts
    return {
      id: at.id,
      database,
      role,
      systemIdentifier,
      postgresVersion,
      isolation,
      settings,
      timeline: at.timeline,
      madeBy: madeBy(),
      lsn: parseLsn(at.lsn),
      keptMs: this.task.context.clock.now(),
      workMs: at.workMs,
      parameters: at.parameters,
    }
  }

  private journal(of: Pick<LoadIntent, 'item' | 'businessDate' | 'logged'> & { readonly startedMs: number }) {
    const { run, task, token } = this.task
    return {
      pipeline: run.pipeline,
      task: task.name,
      runId: run.id,
      item: of.item,
      token: token.toString(),
      businessDate: of.businessDate ?? null,
      startedAt: new Date(of.startedMs).toISOString(),
      logged: of.logged,
    }
  }
}

/** Version of wharf: `0.1.0`. The same depth below the package for src/loads/keep and dist/loads/keep. */
function madeBy(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
