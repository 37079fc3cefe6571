// What synchronous_standby_names says about us. Pure.

export interface StandbyNames {
  /** Whether commits wait for `name` at all. */
  readonly namesUs: boolean
  /** Whether another one may answer in our place: `ANY n (…)` with more members than n. */
  readonly hasSecond: boolean
}

/** PostgreSQL's grammar: `[FIRST|ANY] n (a, "b", *)`, `n (…)`, or a bare list. Names are compared without case. */
export function readStandbyNames(setting: string, name: string): StandbyNames {
  const text = setting.trim()
  const grouped = /^(?:(FIRST|ANY)\s+)?(\d+)\s*\(([^)]*)\)$/i.exec(text)
  const members = (grouped?.[3] ?? text)
    .split(',')
    .map((one) =>
      one
        .trim()
        .replace(/^"(.*)"$/s, '$1')
        .replaceAll('""', '"')
        .toLowerCase(),
    )
    .filter((one) => one !== '')
  const namesUs = members.includes('*') || members.includes(name.toLowerCase())
  const isAny = grouped?.[1]?.toUpperCase() === 'ANY'
  return { namesUs, hasSecond: isAny && members.length > Number(grouped[2]) }
}
