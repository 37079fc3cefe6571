// What the catalogs say as of the last commit that was read, as far as the relation goes that is watched: which relations belong to it, and their files.
import type { RelationFile } from '../../wal/contract.ts'
import type { BackupCatalog } from './backup-catalog.ts'
import type { ClassRow } from './catalog-rows.ts'
import type { Doings } from './transactions.ts'

/** The name that was asked for. */
export interface WantedName {
  readonly schema: string
  readonly name: string
}

/** What a commit has done to relations that are watched. */
export interface Told {
  readonly kind: 'truncate' | 'drop' | 'detach' | 'rename' | 'rewrite' | 'create' | 'gone'
  readonly relation: string
  readonly detail: string
}

interface Watched {
  readonly oid: number
  readonly tablespace: number
}

export class CommittedCatalog {
  private readonly catalog: BackupCatalog
  private readonly wanted: WantedName
  private readonly classes: Map<number, ClassRow>
  /** oids of the relation and of its partitions. */
  private readonly targets = new Set<number>()
  private readonly files = new Map<number, Watched>()

  constructor(catalog: BackupCatalog, wanted: WantedName) {
    this.catalog = catalog
    this.wanted = wanted
    this.classes = new Map(catalog.classes)
    for (const row of catalog.classes.values()) if (this.isNamed(row)) this.add(row.oid)
  }

  get hasTarget(): boolean {
    return this.targets.size > 0
  }

  /** Whether partitions may come and go. */
  get hasPartitions(): boolean {
    return [...this.targets].some((oid) => this.classes.get(oid)?.kind === 'p')
  }

  rows(): readonly ClassRow[] {
    return [...this.targets].flatMap((oid) => this.classes.get(oid) ?? [])
  }

  isWatched(relfilenode: number): boolean {
    return this.files.has(relfilenode)
  }

  relfilenodes(): Iterable<number> {
    return this.files.keys()
  }

  /** relfilenode → `schema.name`. */
  labels(): ReadonlyMap<number, string> {
    return new Map([...this.files].map(([relfilenode, { oid }]) => [relfilenode, this.label(oid)]))
  }

  watchedAmong(files: readonly RelationFile[]): readonly number[] {
    return files
      .filter((one) => {
        const found = one.database === this.catalog.database.oid ? this.files.get(one.relfilenode) : undefined
        return found?.tablespace === one.tablespace
      })
      .map((one) => one.relfilenode)
  }

  /** Takes in a commit. `gone`: watched files that it drops. */
  apply(doings: Doings | undefined, gone: readonly number[]): readonly Told[] {
    const told: Told[] = []
    if (doings?.databaseDropped)
      told.push({
        kind: 'drop',
        relation: this.wantedLabel(),
        detail: `with its database ${this.catalog.database.name}`,
      })
    const before = new Map(
      [...this.targets].map((oid) => [oid, { row: this.classes.get(oid), label: this.label(oid) }]),
    )
    const transients = this.applyClasses(doings)
    told.push(...this.applyInherits(doings))
    for (const relfilenode of gone) {
      const { oid } = this.files.get(relfilenode)!
      this.files.delete(relfilenode)
      const known = before.get(oid)
      const after = this.classes.get(oid)
      const relation = known?.label ?? String(oid)
      if (!after) told.push({ kind: 'drop', relation, detail: '' })
      else if (after.filenode === relfilenode || after === known?.row)
        told.push({ kind: 'gone', relation, detail: 'dropped, truncated or rewritten: WAL does not tell which' })
      else told.push({ relation, ...this.changed({ oid, before: known?.row, after, transients, doings }) })
    }
    for (const [oid, { row, label }] of before) {
      const after = this.classes.get(oid)
      if (row?.filenode === 0 && !after) told.push({ kind: 'drop', relation: label, detail: '' })
      if (row && after && this.isNamed(row) && !this.isNamed(after))
        told.push({ kind: 'rename', relation: label, detail: `it is called ${this.label(oid)} from then on` })
    }
    this.watchFiles()
    return told
  }

  private changed(of: {
    oid: number
    before: ClassRow | undefined
    after: ClassRow
    transients: ReadonlySet<string>
    doings: Doings | undefined
  }): Pick<Told, 'kind' | 'detail'> {
    if (of.doings?.truncated.has(of.oid)) return { kind: 'truncate', detail: '' }
    if (of.before && of.before.tablespace !== of.after.tablespace)
      return { kind: 'rewrite', detail: 'moved to another tablespace' }
    // VACUUM FULL, CLUSTER, ALTER TABLE and REFRESH build the new file as a table of that name.
    if (of.transients.has(`pg_temp_${of.oid}`))
      return of.after.kind === 'm'
        ? { kind: 'rewrite', detail: 'refreshed, or VACUUM FULL' }
        : { kind: 'rewrite', detail: 'VACUUM FULL, CLUSTER or ALTER TABLE' }
    return { kind: 'truncate', detail: '' }
  }

  /** Names of all relations that were made on the way, the short-lived ones too. */
  private applyClasses(doings: Doings | undefined): ReadonlySet<string> {
    const made = new Set<string>()
    for (const { change } of doings?.classes ?? []) {
      if (!change.before && change.after) made.add(change.after.name)
      if (change.after) this.classes.set(change.after.oid, change.after)
      else if (change.before) this.classes.delete(change.before.oid)
    }
    return made
  }

  private applyInherits(doings: Doings | undefined): readonly Told[] {
    const told: Told[] = []
    for (const { change } of doings?.classes ?? []) {
      const row = change.after && this.classes.get(change.after.oid)
      if (!row || this.targets.has(row.oid) || !this.isNamed(row)) continue
      const isNew = change.before === undefined
      this.targets.add(row.oid)
      told.push({ kind: 'create', relation: this.label(row.oid), detail: isNew ? '' : 'renamed to this name' })
    }
    for (const { change } of doings?.inherits ?? []) {
      const { child, parent } = change.row
      if (!this.targets.has(parent)) continue
      if (change.added) this.add(child)
      else if (this.classes.has(child)) told.push({ kind: 'detach', relation: this.label(child), detail: '' })
    }
    return told
  }

  private add(oid: number): void {
    if (this.targets.has(oid)) return
    this.targets.add(oid)
    for (const { child, parent } of this.catalog.inherits) if (parent === oid) this.add(child)
    this.watchFiles()
  }

  private watchFiles(): void {
    for (const oid of this.targets) {
      const row = this.classes.get(oid)
      if (!row || row.filenode === 0 || this.files.has(row.filenode)) continue
      const tablespace = row.tablespace === 0 ? this.catalog.database.tablespace : row.tablespace
      this.files.set(row.filenode, { oid, tablespace })
    }
  }

  private isNamed(row: ClassRow): boolean {
    if (row.name !== this.wanted.name || row.persistence === 't' || !'rpmt'.includes(row.kind)) return false
    const schema = this.catalog.namespaces.get(row.namespace)
    if (schema !== undefined) return schema === this.wanted.schema
    // A schema that was made after the backup has no name here: the table's own must do, as long as no other has it for certain.
    return !this.rows().some((one) => one.oid !== row.oid && this.isNamedForCertain(one))
  }

  private isNamedForCertain({ name, namespace }: ClassRow): boolean {
    return name === this.wanted.name && this.catalog.namespaces.get(namespace) === this.wanted.schema
  }

  private label(oid: number): string {
    const row = this.classes.get(oid)
    if (!row) return String(oid)
    return `${this.catalog.namespaces.get(row.namespace) ?? this.wanted.schema}.${row.name}`
  }

  private wantedLabel(): string {
    return `${this.wanted.schema}.${this.wanted.name}`
  }
}
