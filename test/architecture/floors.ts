// The import table of design.md section 4 as data. architecture.test.ts holds the sources and the document against it.

export interface FloorRow {
  /** As the document writes it. */
  readonly floor: string
  readonly rooms: readonly string[]
  /** As the document writes it. */
  readonly mayImport: string
  /** Rooms whose files directly under src/<room>/ may be imported. */
  readonly allowed: readonly string[]
  /** Rooms of which only contract.ts may be imported. */
  readonly contracts?: readonly string[]
  /** Rooms of which contract.ts may be imported with `import type`. */
  readonly contractTypes?: readonly string[]
}

const base = ['base']
const floors0to3 = [...base, 'wal', 'warehouse', 'repository', 'control', 'runs', 'monitor']
const floor4 = ['backup', 'recovery', 'loads', 'maintain', 'access']
const floor5 = ['assurance', 'slo', 'alert', 'advise', 'capacity', 'cost']
const below6 = [...floors0to3, ...floor4, ...floor5, 'incident']
const floor6 = ['cli', 'server', 'console']

export const floorTable: readonly FloorRow[] = [
  { floor: '0', rooms: base, mayImport: '–', allowed: [] },
  { floor: '1', rooms: ['wal'], mayImport: 'base', allowed: base },
  { floor: '1', rooms: ['warehouse'], mayImport: 'base, wal', allowed: [...base, 'wal'] },
  { floor: '1', rooms: ['repository'], mayImport: 'base, wal', allowed: [...base, 'wal'] },
  { floor: '2', rooms: ['control'], mayImport: 'base, warehouse', allowed: [...base, 'warehouse'] },
  { floor: '3', rooms: ['runs'], mayImport: 'base, warehouse, control', allowed: [...base, 'warehouse', 'control'] },
  { floor: '3', rooms: ['monitor'], mayImport: 'base, warehouse, control', allowed: [...base, 'warehouse', 'control'] },
  ...floor4.map((room) => ({ floor: '4', rooms: [room], mayImport: 'floors 0–3', allowed: floors0to3 })),
  {
    floor: '5',
    rooms: ['assurance'],
    mayImport: "base, control, monitor, floor 4's `contract.ts`",
    allowed: [...base, 'control', 'monitor'],
    contracts: floor4,
  },
  {
    floor: '5',
    rooms: ['slo', 'alert', 'advise', 'capacity', 'cost'],
    mayImport: 'base, control, monitor, runs',
    allowed: [...base, 'control', 'monitor', 'runs'],
  },
  { floor: '5½', rooms: ['incident'], mayImport: 'floor 5 and below', allowed: [...floors0to3, ...floor4, ...floor5] },
  {
    floor: '6',
    rooms: floor6,
    mayImport: "base and other rooms' `contract.ts` as types; they are handed the list of rooms",
    allowed: base,
    contractTypes: [...below6, ...floor6],
  },
  { floor: '7', rooms: ['app'], mayImport: 'everything; nobody imports it', allowed: [...below6, ...floor6] },
]

/** The row of a room, or undefined for a folder that is no room. */
export function rowOf(room: string): FloorRow | undefined {
  return floorTable.find((row) => row.rooms.includes(room))
}
