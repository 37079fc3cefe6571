// Whether tasks form a graph that can be run.
import type { TaskDefinition } from './contract.ts'

/** Why the tasks do not form a graph that can be run, or undefined. */
export function graphProblem(tasks: readonly Pick<TaskDefinition, 'name' | 'needs'>[]): string | undefined {
  if (tasks.length === 0) return 'there is none'
  const needs = new Map(tasks.map((task) => [task.name, task.needs]))
  if (needs.size < tasks.length) return 'two have the same name'
  for (const task of tasks) {
    const missing = task.needs.find((need) => !needs.has(need))
    if (missing !== undefined) return `"${task.name}" needs "${missing}", which does not exist`
  }
  const cycle = findCycle(needs)
  return cycle && `they wait for each other: ${cycle.join(' needs ')}`
}

/** The names along a cycle, first and last the same, or undefined. */
export function findCycle(needs: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>()
  const visit = (name: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (done.has(name)) return undefined
    for (const need of needs.get(name) ?? []) {
      const found = visit(need, [...path, name])
      if (found) return found
    }
    done.add(name)
    return undefined
  }
  for (const name of needs.keys()) {
    const found = visit(name, [])
    if (found) return found
  }
  return undefined
}
